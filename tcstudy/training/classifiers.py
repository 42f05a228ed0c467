"""Fine-tuned classifiers to keep: trained on all documents of a set, saved in a folder, opened, and used."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import safetensors.torch
import torch
from accelerate.utils import set_seed
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    BertForSequenceClassification,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

from tcstudy.encoding.documents import Document, fractions, read_documents
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary
from tcstudy.errors import StudyError, first_line
from tcstudy.files import partial_folder
from tcstudy.models.attention import prepare
from tcstudy.models.classifier import TextClassifier
from tcstudy.spec import FeatureSpec, RunSpec, WindowSpec
from tcstudy.training.devices import make_accelerator, micro_batch_tokens
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import build_model, epoch_batches, loss_part
from tcstudy.training.loop import Diverged, fit
from tcstudy.training.optim import make_optimizer, overall_clip_norm
from tcstudy.value import NonEmpty, Value

if TYPE_CHECKING:
    import datasets

DESCRIPTION = "classifier.json"
"""The file in a folder that says how texts are read; without it a folder is not one of these."""
HEAD = "head.safetensors"
CARD = "README.md"
ENCODER = "encoder"


_Names = NonEmpty[str]


class Description(Value):
    """How a saved classifier reads texts, and what it answers.

    Attributes:
        classes: names in the order of its outputs.
        text: columns of a table that are joined by a blank, where none are named.
        window, features: as in the run.
        special: ids of the tokens that frame and pad (cls, sep, pad).
        plain: whether the folder is that of a Hugging Face model for sequence classification. Otherwise the encoder is
            in a folder within, since no such model reads so, and one that was opened would answer at random.
        final_norm: whether the norm above ModernBERT's layers was kept.
    """

    classes: _Names
    text: _Names = ("text",)
    window: WindowSpec
    features: FeatureSpec
    special: dict[str, int]
    plain: bool
    final_norm: bool = True


@dataclass(frozen=True)
class Classifier:
    """A fine-tuned model that names the classes of texts.

    Attributes:
        model: on the engine's device.
        engine: predicts.
        vocabulary: cuts texts into wordpieces.
        description: how texts are read.
    """

    model: TextClassifier
    engine: Engine
    vocabulary: Vocabulary
    description: Description

    @classmethod
    def train(
        cls, spec: RunSpec, documents: "datasets.Dataset", classes: Sequence[str], text: Sequence[str] = ("text",)
    ) -> Self:
        """Train what `spec` describes on every one of `documents`, columns `text` and `label`.

        Nothing is left to select an epoch on, so the weights after the last one are kept.

        Raises:
            StudyError: the encoder is not available, or the training did not converge.
        """
        if spec.training.lora is not None:
            raise StudyError("A model with adapters cannot be kept: leave `training.lora` out.")
        accelerator = make_accelerator()
        vocabulary = load_vocabulary(spec.encoder)
        set_seed(spec.seed)
        model, _, _ = build_model(spec, len(classes), micro_batch_tokens(accelerator))
        engine = Engine.of(model.encoder, vocabulary.pad, accelerator)
        model.to(accelerator.device)
        train = read_documents(documents, vocabulary, spec.window)
        training = spec.training
        steps = -(-len(train) // training.batch_size) * training.epochs
        optimizer, schedule = make_optimizer(model, training, spec.protocol, steps)
        batches = epoch_batches(train, training.batch_size, range(training.epochs), spec.seed, engine)
        clip_norm = overall_clip_norm(training, spec.protocol)
        try:
            for _ in fit(model, batches, loss_part(training.loss), optimizer, schedule, accelerator, clip_norm):
                pass
        except Diverged as diverged:
            raise StudyError(f"The training on all documents did not converge: {diverged}.") from None
        description = Description(
            classes=tuple(classes),
            text=tuple(text),
            window=spec.window,
            features=spec.features,
            special={"cls": vocabulary.cls, "sep": vocabulary.sep, "pad": vocabulary.pad},
            plain=_is_plain(model, spec),
            final_norm=not isinstance(getattr(model.encoder, "final_norm", None), torch.nn.Identity),
        )
        return cls(model, engine, vocabulary, description)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of the classes, shape (texts, classes)."""
        return self.engine.predict(self.model, list(self._documents(texts)))

    def __call__(self, texts: str | Sequence[str]) -> list[dict[str, Any]]:
        """The most probable class of each text and its probability, in the form of a pipeline of `transformers`."""
        probabilities = self.probabilities([texts] if isinstance(texts, str) else texts)
        best = probabilities.argmax(axis=1)
        return [
            {"label": self.description.classes[place], "score": float(of_text[place])}
            for place, of_text in zip(best, probabilities, strict=True)
        ]

    def _documents(self, texts: Sequence[str]) -> Iterator[Document]:
        for ids in self.vocabulary.encode(texts):
            yield Document(
                fractions(ids, self.description.window, self.vocabulary.cls, self.vocabulary.sep), 0, len(ids)
            )

    def save(self, folder: Path, card: str = "") -> None:
        """Write the classifier as `folder`, with the text of its model card; a model of before goes as a whole.

        Raises:
            StudyError: the folder holds something else, or cannot be written.
        """
        disable_progress_bar()
        check_place(folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with partial_folder(folder, alone=False) as temporary:
                partial = temporary / "model"
                partial.mkdir()
                self._save_into(partial, card)
                if folder.exists():  # a model of before, none of whose files may be read with this one's
                    folder.rename(temporary / "before")
                os.replace(partial, folder)
        except OSError as error:
            raise StudyError(f"The model cannot be written to {folder} ({error.strerror or error}).") from None

    def _save_into(self, folder: Path, card: str) -> None:
        if self.description.plain:
            self._save_plain(folder)
        else:
            self.model.encoder.save_pretrained(folder / ENCODER)
            head = {name: own for name, own in self.model.state_dict().items() if not name.startswith("encoder.")}
            safetensors.torch.save_file({name: own.cpu().contiguous() for name, own in head.items()}, folder / HEAD)
        self._save_tokenizer(folder)
        (folder / CARD).write_text(card, encoding="utf-8")
        (folder / DESCRIPTION).write_text(self.description.model_dump_json(indent=1), encoding="utf-8")

    def _save_plain(self, folder: Path) -> None:
        """Write what `transformers` knows as a BERT for sequence classification, with the names of the classes."""
        config: PretrainedConfig = BertConfig.from_dict(self.model.encoder.config.to_dict())
        config.id2label = dict(enumerate(self.description.classes))
        config.label2id = {name: place for place, name in enumerate(self.description.classes)}
        whole = BertForSequenceClassification(config)
        whole.bert.load_state_dict(self.model.encoder.state_dict())
        whole.classifier.load_state_dict(self.model.output.state_dict())
        whole.save_pretrained(folder)

    def _save_tokenizer(self, folder: Path) -> None:
        special = self.description.special
        names = {role: self.vocabulary.tokenizer.id_to_token(id) for role, id in special.items()}
        own = Tokenizer.from_str(self.vocabulary.tokenizer.to_str())
        own.post_processor = TemplateProcessing(
            single=f"{names['cls']} $A {names['sep']}",
            pair=f"{names['cls']} $A {names['sep']} $B:1 {names['sep']}:1",
            special_tokens=[(names[role], special[role]) for role in ("cls", "sep")],
        )
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=own,
            model_max_length=self.description.window.length,
            truncation_side="left" if self.description.window.method == "tail-only" else "right",
            model_input_names=["input_ids", "attention_mask"],
            **{f"{role}_token": name for role, name in names.items()},
        )
        tokenizer.save_pretrained(folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The classifier that `save` wrote into `folder`.

        Raises:
            StudyError: it holds none, or what is there cannot be read.
        """
        try:
            description = Description.parse(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")), DESCRIPTION)
        except (OSError, ValueError) as error:
            reason = str(error) if isinstance(error, StudyError) else first_line(error)
            if (folder / "model" / DESCRIPTION).is_file():
                reason = f"the model is in {folder / 'model'}"
            raise StudyError(f"{folder} is not the folder of a classifier that was made here ({reason}).") from None
        accelerator = make_accelerator()
        disable_progress_bar()
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            model = _open_model(folder, description, micro_batch_tokens(accelerator))
        except Exception as error:  # noqa: BLE001 - transformers raises whatever its readers raise
            raise StudyError(f"The classifier in {folder} cannot be read ({first_line(error)}).") from None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        vocabulary = Vocabulary(tokenizer, **description.special)
        engine = Engine.of(model.encoder, vocabulary.pad, accelerator)
        return cls(model.to(accelerator.device), engine, vocabulary, description)


def open_classifier(folder: str | Path) -> Classifier:
    """The classifier in a folder made by `tcstudy apply`; call it with texts, like a pipeline of `transformers`.

    `open_classifier("tickets_classifier/model")(["Where is my refund?"])` returns a list of labels and scores.

    Raises:
        StudyError: the folder holds no classifier, or it cannot be read.
    """
    return Classifier.open(Path(folder))


def _is_plain(model: TextClassifier, spec: RunSpec) -> bool:
    """Whether a BERT for sequence classification computes the same: its pooler, and one window of each text."""
    is_bert = isinstance(model.encoder.config, BertConfig)
    return is_bert and spec.features.pooler and not spec.window.method.startswith("hierarchical")


def _open_model(folder: Path, description: Description, budget: int) -> TextClassifier:
    if description.plain:
        whole = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        encoder, head = whole.bert, {f"output.{name}": own for name, own in whole.classifier.state_dict().items()}
    else:
        config = AutoConfig.from_pretrained(folder / ENCODER, trust_remote_code=False)
        encoder = AutoModel.from_pretrained(folder / ENCODER, config=config, dtype=torch.float32, use_safetensors=True)
        head = safetensors.torch.load_file(folder / HEAD)
        if not description.features.pooler and getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        if not description.final_norm:
            encoder.final_norm = torch.nn.Identity()
    prepare(encoder)
    model = TextClassifier(
        encoder, len(description.classes), description.features, description.window.method, 0.0, budget
    )
    missing = model.load_state_dict(head, strict=False).missing_keys
    if lost := [name for name in missing if not name.startswith("encoder.")]:
        raise ValueError(f"it lacks {lost[0]}")
    return model


def check_place(folder: Path) -> None:
    """See that a classifier can be saved as `folder`.

    Raises:
        StudyError: the folder, or a file in its place or in that of the folder around it, holds something else, or
            cannot be read.
    """
    wanted = "name a folder for the model that is empty or not there."
    try:
        for place in (folder.parent, folder):
            if place.exists() and not place.is_dir():
                raise StudyError(f"{place} is a file: {wanted}")
        if folder.exists() and any(folder.iterdir()) and not (folder / DESCRIPTION).is_file():
            raise StudyError(f"{folder} holds other files: {wanted}")
    except OSError as error:
        raise StudyError(f"{folder} cannot be read ({error.strerror or error}): {wanted}") from None
