"""Tables about the encoders that a page's runs began with."""

from collections.abc import Iterable, Mapping

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.tables import Table, percent
from tcstudy.spec import EncoderSpec, MultitaskSpec
from tcstudy.study.encoders import EncoderRecord


def made(records: Mapping[EncoderSpec, EncoderRecord], page: str) -> Table:
    """What was made of the published encoders for a page: text, texts removed, updates, and what the heads learnt.

    Args:
        records: as `encoder_records` gives them.
        page: name of the page.
    """
    rows = [
        [
            stages_of(spec) + (", heads made new" if heads_made_new(record) else ""),
            _texts(record),
            _removed(record),
            f"{record.cost.steps:,}",
            _accuracies(record),
            f"{(record.cost.training_seconds + record.cost.evaluation_seconds) / 60:.1f}",
        ]
        for spec, record in records.items()
    ]
    head = ("what was made", "documents", "removed", "updates", "MLM, NSP accuracy", "minutes")
    caption = "Encoders made for this page; removed are texts that stand in a test split, accuracy is on held-out text"
    return Table(head, rows, caption, f"made-{page}")


def stages_of(spec: EncoderSpec) -> str:
    """An encoder and its stages in words: "minilm-l6-uncased, pre-trained on IMDb + TREC to step 300"."""
    parts = [spec.name + (f" ({spec.layers} layers)" if spec.layers else "")]
    for stage in spec.stages:
        if isinstance(stage, MultitaskSpec):
            parts.append(f"tasks {_titles(task.name for task in stage.tasks)}, seed {stage.seed}")
            continue
        stop = f" to step {stage.stop:,}" if stage.stop else ""
        kind = "heads trained on" if stage.recipe.frozen else "pre-trained on"
        switched = stage.recipe.protocol.model_dump(exclude_defaults=True)
        released = ", ".join(f"{name} {value}" for name, value in switched.items())
        corpus = _titles(text.name for text in stage.corpus)
        parts.append(f"{kind} {corpus}{stop}" + (f" ({released})" if released else ""))
    return ", ".join(parts)


def _titles(names: Iterable[str]) -> str:
    return " + ".join(dataset_title(name) for name in names)


def _texts(record: EncoderRecord) -> str:
    return f"{sum(used.used for used in record.text.sets) - record.text.held_out:,}" if record.text else "–"


def _removed(record: EncoderRecord) -> str:
    """How many texts of each set stand in its own test split, or in which other."""
    if not record.text:
        return "–"
    removed = [
        f"{number:,} of {dataset_title(used.name)}" + ("" if name == used.name else f" in {dataset_title(name)}")
        for used in record.text.sets
        for name, number in used.removed.items()
    ]
    return "; ".join(removed) or "0"


def heads_made_new(record: EncoderRecord) -> bool:
    """Whether further pre-training began without the heads of the published encoder, which had none."""
    return any("pooler." not in name for name in record.provenance.made_new)


def _accuracies(record: EncoderRecord) -> str:
    """Of both heads, a dash for what was not trained."""
    if not record.measured:
        return "–"
    shares = (record.measured.mlm_accuracy, record.measured.nsp_accuracy)
    return ", ".join("–" if share is None else percent(share) for share in shares)
