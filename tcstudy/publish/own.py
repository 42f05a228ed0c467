"""The page on your own texts: parameters chosen to suit the texts, execution, and export to HTML."""

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tcstudy.catalog.encoders import encoder_facts, fetched_facts
from tcstudy.corpora.loading import load_source
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.experiments.base import rate_text
from tcstudy.experiments.own_texts import BAG_OF_WORDS, PRETRAINED, OwnTexts
from tcstudy.publish.pages import execute
from tcstudy.report.own_texts import Measured, Recommendation, measured, recommendation
from tcstudy.report.tables import escape_markdown
from tcstudy.spec import DataSpec, EncoderSpec
from tcstudy.study.encoders import make_encoder
from tcstudy.study.run import run_all

if TYPE_CHECKING:
    from nbformat import NotebookNode

PAGE = Path(__file__).with_name("own_texts.md")
WINDOWS = (32, 64, 128, 256, 512)
FITTING = 0.95
"""The share of texts that fit into the chosen window."""
FEW_CUT = 0.01
"""Where no more texts are cut, it does not matter how, and head-only is what a plain pipeline reads as well."""
SMALL_WIDTH = 512
"""Encoders up to this width use the learning rate tuned for the study's own encoder, larger ones the paper's."""
LABELS = (100, 300, 1000, 3000, 10_000, 30_000, 100_000)


@dataclass(frozen=True)
class Effort:
    """The amount of work.

    Attributes:
        seeds: draws of the labelled documents.
        pretrainings: further pre-trainings, which the draws use in turn.
        train: maximum number of labelled training documents, or None.
        test: maximum number of test documents, or None.
        window: maximum window, in wordpieces.
        corpus: maximum number of wordpieces of further pre-training.
        passes: maximum number of passes over the corpus.
        sizes: points of the learning curve besides all labels.
    """

    seeds: int
    pretrainings: int
    train: int | None
    test: int | None
    window: int
    corpus: int
    passes: int
    sizes: int


WHOLE = Effort(seeds=5, pretrainings=5, train=None, test=None, window=512, corpus=1_000_000, passes=20, sizes=3)
QUICK = Effort(seeds=3, pretrainings=1, train=800, test=1000, window=128, corpus=60_000, passes=10, sizes=1)


def parameters_for(data: dict[str, Any], encoder: EncoderSpec, quick: bool = False) -> dict[str, Any]:
    """The page's parameters for texts, given as `DataSpec` has them: its window, training time and learning curve.

    Raises:
        StudyError: the texts cannot be read, or the encoder is not available.
    """
    from transformers import BertConfig  # slow to import

    from tcstudy.models.encoder import load_encoder

    effort = QUICK if quick else WHOLE
    spec = DataSpec.parse(data, "texts")
    source = load_source(spec.name)
    body = load_encoder(encoder, 0.0).body  # which fetches an encoder of the hub, so that its facts are known
    vocabulary = load_vocabulary(encoder)
    facts = encoder_facts(encoder.name, encoder.revision) or fetched_facts(encoder.name, encoder.revision)
    lengths = vocabulary.lengths(source.texts())
    longest = min(effort.window, facts.max_length)
    fitting = [length for length in WINDOWS if length <= longest and np.mean(lengths <= length - 2) >= FITTING]
    length = fitting[0] if fitting else longest
    cut = np.mean(lengths > length - 2) > FEW_CUT
    small = facts.width <= SMALL_WIDTH
    train = effort.train if effort.train and effort.train < len(source.usable) * 9 // 10 else None
    whole = train or len(source.usable) * 9 // 10
    sizes = [size for size in LABELS if 4 * len(source.facts.classes) <= size <= whole // 2] or [whole // 2]
    corpus = float(lengths[: len(source.train)].sum())
    if spec.unlabelled:
        corpus += float(vocabulary.lengths(load_source(spec.unlabelled).train["text"]).sum())
    batch = 32
    pair = min(128, longest)
    per_update = batch * min(pair, 2 * float(lengths.mean()) + 3)
    steps = max(20, round(min(effort.corpus, effort.passes * corpus) / per_update))
    test = {"test": effort.test} if effort.test and effort.test < len(source.test) else {}
    return {
        "profile": "custom",
        "encoder": encoder.model_dump(exclude_defaults=True, mode="json"),
        "data": [spec.model_dump(exclude_defaults=True, mode="json") | ({"train": train} if train else {}) | test],
        "window": {"method": "head+tail" if cut else "head-only", "length": length},
        # A BERT has a pooler: a classifier that reads it is one that `transformers` knows. Where the checkpoint lacks
        # the pooler's weights they are made new, and trained with the rest.
        "features": {"pooler": isinstance(body.config, BertConfig)},
        "labels": sizes[-effort.sizes :],
        "pretrainings": effort.pretrainings,
        "least_updates": 40,
        "pretraining": {
            "steps": steps,
            "batch_size": batch,
            "length": pair,
            "learning_rate": 2e-4 if small else 5e-5,
            "new_heads": "word frequencies",
        },
        "training": {"learning_rate": 2e-4 if small else 2e-5, "batch_size": 16, "epochs": 3},
        "protocol": "clean",
        "seeds": list(range(effort.seeds)),
        "draw": "seed",
    }


_WITHOUT_SCRIPTS = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js %}{% endblock -%}
{%- block html_head_js_mathjax %}{% endblock -%}
{%- block html_head_js_mermaidjs %}{% endblock -%}
{%- block html_head_css %}{{ super() }}<style>
.jp-OutputArea td { overflow-wrap: anywhere; min-width: 4em; }
.jp-OutputArea img { max-width: 100%; height: auto; }
</style>{% endblock -%}
"""
"""The page asks nothing of the network, and what stands between two dollars is no formula.

Drawings and long words, such as addresses, stay within a narrow window.
"""


def write_report(parameters: dict[str, Any], folder: Path) -> Path:
    """Execute the page with `parameters` into `folder`, as a notebook and as HTML, which is returned.

    Raises:
        StudyError: a cell failed, which its first line tells; or the folder cannot be written.
    """
    import nbformat  # slow to import

    notebook, shown = folder / "report.ipynb", folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            executed = Path(temporary) / "executed.ipynb"
            if failure := execute(PAGE, executed, parameters):
                raise StudyError(failure)
            os.replace(executed, notebook)
        shown.write_text(as_html(nbformat.read(notebook, as_version=4)), encoding="utf-8")
    except OSError as error:
        raise StudyError(f"The page cannot be written to {folder} ({error.strerror or error}).") from None
    return shown


def as_html(executed: "NotebookNode") -> str:
    """An executed page as HTML, without code and progress, which the terminal has shown."""
    from nbconvert import HTMLExporter  # slow to import

    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    exporter = HTMLExporter(
        exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True, raw_template=_WITHOUT_SCRIPTS
    )
    return exporter.from_notebook_node(executed)[0]


_PIPELINE = """```python
from transformers import pipeline

pipeline("text-classification", "FOLDER")("a text", truncation=True)
```

"""


def model_card(
    experiment: OwnTexts, found: Recommendation, own: Measured, documents: int, columns: Sequence[str], plain: bool
) -> str:
    """The model card of a recommended classifier: what it was trained on, how, what it gets wrong, and its limits.

    Args:
        experiment, found: of the page.
        own: the measured method whose recipe it is.
        documents, columns: how many it was trained on, and where its texts were read from.
        plain: whether `transformers` opens its folder by itself.
    """
    source, window = load_source(experiment.documents.name), experiment.window
    facts, spec = source.facts, experiment.final(own.method)
    classes = ", ".join(facts.classes[:50]) + (" ..." if len(facts.classes) > 50 else "")
    read = f"{facts.source}; texts from {', '.join(columns)}"
    stages = "".join(
        f"- further pre-training on these texts: {stage.recipe.steps:,} updates of {stage.recipe.batch_size} pairs of "
        f"{stage.recipe.length} wordpieces, learning rate {rate_text(stage.recipe.learning_rate)}\n"
        for stage in spec.encoder.stages
        if own.method == PRETRAINED
    )
    if not plain:
        use = "No pipeline of `transformers` reads texts as this model does, so open its folder with\n"
    elif window.method == "head-only":
        use = f"{_PIPELINE}or with "
    else:
        use = f"{_PIPELINE}reads only the beginning of a long text; to read it as in training ({window.method}), use\n"
    return f"""---
library_name: transformers
pipeline_tag: text-classification
language: {facts.language}
---

# {escape_markdown(facts.title)}

Predicts the class of a text: {escape_markdown(classes)}.

**Error.** {own.error.mean:.1%} of held-out texts ({own.error.low:.1%} to {own.error.high:.1%}, a 95% interval over
{own.error.runs} draws of the training documents and {own.error.documents:,} test documents), macro-F1
{own.f1.mean:.1%} ({own.f1.low:.1%} to {own.f1.high:.1%}). This is the error of the recipe, trained on
{own.labels:,} labelled documents. The model itself was trained on all {documents:,}, including the test documents, so
its own error cannot be measured on them. {found.reason}

**Recipe.**
- encoder: {spec.encoder.name}{f" at {spec.encoder.revision}" if spec.encoder.revision else ""}
{stages}- fine-tuning: {spec.training.epochs} epochs, batches of {spec.training.batch_size}, learning rate
  {rate_text(spec.training.learning_rate)}, seed {spec.seed}; the weights after the last epoch

**Window.** {window.length} wordpieces of a text, {window.method}.

**Data.** {escape_markdown(read)}. Content digests: {source.train_report.digest} (training),
{source.test_report.digest} (test).

**Use.**

{use}`tcstudy predict FOLDER texts.csv`, and in Python `tcstudy.open_classifier("FOLDER")(["a text"])`.

**Limits.** The model knows only these classes, and predicts one of them for any text. Its probabilities are not
calibrated. For texts of another source, time or language than those above, its error may be higher.
"""


def keep_recommended(experiment: OwnTexts, folder: Path, columns: Sequence[str]) -> str:
    """Train the model that the page recommends on all labelled documents, read from `columns`, and keep it in `folder`.

    Returns:
        The recommendation, in sentences.

    Raises:
        StudyError: no method with an encoder converged, or the folder cannot be written.
    """
    import datasets

    from tcstudy.training.classifiers import Classifier

    records = run_all(experiment.runs())
    found = recommendation(experiment, records)
    whole = experiment.sizes()[-1]
    own = measured(experiment, records).get((found.encoder, whole))
    if own is None or own.method == BAG_OF_WORDS:
        raise StudyError(
            "No training of the encoder converged, so there is no model to save: try a lower learning rate."
        )
    source = load_source(experiment.documents.name)
    documents = datasets.concatenate_datasets([source.train, source.test])
    spec = experiment.final(own.method)
    make_encoder(spec.encoder)
    print(
        f"training the final model ({own.method}) on all {len(documents):,} labelled documents",
        file=sys.stderr,
        flush=True,
    )
    classifier = Classifier.train(spec, documents, source.facts.classes, columns)
    plain = classifier.description.plain
    classifier.save(folder, model_card(experiment, found, own, len(documents), columns, plain))
    return f"recommended: {found.method}. {found.reason}"
