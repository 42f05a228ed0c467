"""Tables about the encoders that a page's runs began with."""

from collections.abc import Iterable, Mapping

from tcstudy.catalog.datasets import DATASETS
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
            stages_of(spec),
            _texts(record),
            _removed(record),
            f"{record.cost.steps:,}",
            _share(record.measured.mlm_accuracy if record.measured else None),
            _share(record.measured.nsp_accuracy if record.measured else None),
            "new" if any(not name.startswith("bert.") for name in record.provenance.made_new) else "–",
            f"{(record.cost.training_seconds + record.cost.evaluation_seconds) / 60:.1f}",
        ]
        for spec, record in records.items()
    ]
    head = (
        "encoder",
        "documents",
        "removed: stand in a test split",
        "updates",
        "MLM accuracy",
        "NSP accuracy",
        "heads",
        "minutes",
    )
    return Table(head, rows, "Encoders made for this page, with their heads' accuracy on held-out text", f"made-{page}")


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
    return " + ".join(DATASETS[name].title for name in names)


def _texts(record: EncoderRecord) -> str:
    return f"{sum(used.used for used in record.text.sets) - record.text.held_out:,}" if record.text else "–"


def _removed(record: EncoderRecord) -> str:
    """Each set's texts that stand in a test split, by the set they come from and the one whose test split it is."""
    if not record.text:
        return "–"
    removed = [
        f"{number:,} of {DATASETS[used.name].title} ({DATASETS[name].title})"
        for used in record.text.sets
        for name, number in used.removed.items()
    ]
    return "; ".join(removed) or "0"


def _share(share: float | None) -> str:
    return "–" if share is None else percent(share)
