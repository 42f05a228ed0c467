"""What is compared: texts of three lengths, and the documents and starting weights that all sides begin with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import datasets
import torch
from accelerate.utils import set_seed
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, PretrainedConfig, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from tcstudy.bench.results import Workload
from tcstudy.catalog.datasets import dataset_facts
from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.tokens import save_tokenizer
from tcstudy.errors import StudyError
from tcstudy.models.encoder import load_pretrained
from tcstudy.models.pretraining import class_with_heads
from tcstudy.settings import Settings
from tcstudy.spec import DataSpec, EncoderSpec

START = "start"
"""The folder of the weights that all sides begin with, among the encoders of a comparison."""


@dataclass(frozen=True)
class Texts:
    """Texts of a length: the data set, what stands in for it where the local data folder has none, and how much.

    A step of long texts takes many times as long as one of short texts, so there are fewer of them.
    """

    name: str
    title: str
    dataset: str
    otherwise: str
    length: int
    training_steps: int
    predicted_batches: int
    warm_up: int

    def found(self) -> str:
        """The data set that this machine has."""
        folder = Settings.read().data
        local = folder is not None and (folder / self.dataset).is_dir()
        return self.dataset if local or dataset_facts(self.dataset).wheel else self.otherwise


BATCH_SIZE, PRETRAINING_BATCH_SIZE = 24, 32  # Sun et al. 2019, 5.2
TEXTS = {
    texts.name: texts
    for texts in [
        Texts("long", "long reviews", "imdb", "bbc_news", 512, training_steps=3, predicted_batches=2, warm_up=8),
        Texts("articles", "articles", "ag_news", "bbc_news", 128, training_steps=10, predicted_batches=20, warm_up=24),
        Texts(
            "short",
            "short snippets",
            "rotten_tomatoes",
            "rotten_tomatoes",
            128,
            training_steps=10,
            predicted_batches=30,
            warm_up=24,
        ),
    ]
}
PRETRAINING_LENGTH, PRETRAINING_STEPS = 128, 3
QUICK = {"length": 16, "batch_size": 4, "steps": 2, "documents": 8, "warm_up": 4}
"""What a run that only shows that everything works measures, instead of what it should."""


def training(texts: Texts) -> Workload:
    """Fine-tuning on some texts."""
    return Workload(
        dataset=texts.found(),
        length=texts.length,
        batch_size=BATCH_SIZE,
        steps=texts.training_steps,
        documents=texts.training_steps * BATCH_SIZE,
        warm_up=texts.warm_up,
    )


def prediction(texts: Texts) -> Workload:
    """Prediction of some texts."""
    batches = texts.predicted_batches
    return training(texts).variant({"steps": batches, "documents": batches * BATCH_SIZE})


def pretraining(texts: Texts) -> Workload:
    """Further pre-training on some texts, each of which gives two inputs or more."""
    return training(texts).variant(
        {
            "length": PRETRAINING_LENGTH,
            "batch_size": PRETRAINING_BATCH_SIZE,
            "steps": PRETRAINING_STEPS,
            "documents": PRETRAINING_STEPS * PRETRAINING_BATCH_SIZE,
            "warm_up": PRETRAINING_BATCH_SIZE,
        }
    )


def draw_documents(workload: Workload, folder: Path) -> None:
    """Write the documents of `workload` into `folder`, as a local data folder: `train` to work on, and a `test` split.

    Raises:
        StudyError: the data set cannot be had or is too small.
    """
    datasets.disable_progress_bars()
    facts = dataset_facts(workload.dataset)
    data = DataSpec(name=workload.dataset, train=workload.documents, validation=1, test=min(facts.test, 40))
    corpus = load_corpus(data)
    target = folder / workload.dataset
    target.mkdir(parents=True)
    corpus.train.shuffle(seed=0).to_parquet(target / "train.parquet")  # splits are sorted, often by class
    corpus.test.to_parquet(target / "test.parquet")


def save_classifier(encoder: EncoderSpec, workload: Workload, folder: Path) -> None:
    """Leave the library's own classifier on `encoder`, its new weights made, and the tokenizer in `folder`.

    Raises:
        StudyError: the encoder cannot be had, or its family's classifier is another than BERT's.
    """

    def class_of(config: PretrainedConfig) -> type[PreTrainedModel]:
        config.num_labels = len(dataset_facts(workload.dataset).classes)
        return MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]

    model = _save(encoder, workload.dropout, class_of, folder)
    if getattr(model.base_model, "pooler", None) is None or not isinstance(model.classifier, torch.nn.Linear):
        raise StudyError(
            f"{encoder.name} is not compared: its family's classifier is not BERT's, a layer on the pooler."
        )


def save_heads(encoder: EncoderSpec, workload: Workload, folder: Path) -> None:
    """Leave `encoder` with the heads of its pre-training and the tokenizer in `folder`.

    Raises:
        StudyError: the encoder cannot be had.
    """
    _save(encoder, workload.dropout, class_with_heads, folder)


def _save(
    encoder: EncoderSpec,
    dropout: float,
    class_of: Callable[[PretrainedConfig], type[PreTrainedModel]],
    folder: Path,
) -> PreTrainedModel:
    disable_progress_bar()
    set_seed(0)
    model, _ = load_pretrained(encoder, dropout, class_of)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    save_tokenizer(encoder, folder)
    return model
