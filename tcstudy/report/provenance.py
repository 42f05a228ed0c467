"""What a page says last, folded: how to run it, its parameters, its encoders, its machine, and the runs behind it."""

from collections.abc import Iterable, Mapping

from tcstudy.catalog.datasets import dataset_title
from tcstudy.catalog.profiles import PROFILES, PUBLISHED
from tcstudy.experiments.base import Experiment, RunKey
from tcstudy.report.cells import runs_behind
from tcstudy.report.tables import Fold, Table, documents_used, made_with, percent, run_with
from tcstudy.spec import EncoderSpec, MultitaskSpec
from tcstudy.study.encoders import EncoderRecord, encoders_behind
from tcstudy.study.record import Record


def encoders_table(records: Mapping[EncoderSpec, EncoderRecord], page: str) -> Table:
    """The encoders trained for a page: their text, texts removed from it, updates, and the accuracy of their heads.

    Args:
        records: as `encoder_records` gives them.
        page: name of the page.
    """
    rows = [
        [
            stages_of(spec) + (", new heads" if heads_made_new(record) else ""),
            _texts(record),
            _removed(record),
            f"{record.cost.steps:,}",
            _accuracies(record),
            f"{(record.cost.training_seconds + record.cost.evaluation_seconds) / 60:.1f}",
        ]
        for spec, record in records.items()
    ]
    head = ("encoder", "documents", "removed", "updates", "MLM, NSP accuracy", "minutes")
    caption = "Encoders trained for this page; texts of test splits are removed, accuracy is on held-out text"
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
    """How many texts of each data set occur in its own test split, or in another's."""
    if not record.text:
        return "–"
    removed = [
        f"{number:,} of {dataset_title(used.name)}" + ("" if name == used.name else f" in {dataset_title(name)}")
        for used in record.text.sets
        for name, number in used.removed.items()
    ]
    return "; ".join(removed) or "0"


def heads_made_new(record: EncoderRecord) -> bool:
    """Whether further pre-training began with new heads, as the published encoder had none."""
    return any("pooler." not in name for name in record.provenance.made_new)


def _accuracies(record: EncoderRecord) -> str:
    """The accuracies of both heads, with a dash for one that was not trained."""
    if not record.measured:
        return "–"
    shares = (record.measured.mlm_accuracy, record.measured.nsp_accuracy)
    return ", ".join(map(percent, shares))


NO_RUNS: Mapping[RunKey, Record] = {}


def of(experiment: Experiment, records: Mapping[RunKey, Record] = NO_RUNS) -> list[Fold]:
    """The end of a page.

    Args:
        experiment: of the page.
        records: of its runs; none for a page that trains nothing.
    """
    tables = [run_with(experiment)]
    if encoders := encoders_behind(records.values()):
        tables.append(encoders_table(encoders, experiment.page))
    if records:
        tables += [documents_used(records, experiment.page), made_with(records, experiment.page)]
    folds: list[Fold] = [Fold("Parameters, command and provenance", tables, text=command(experiment))]
    return [*folds, runs_behind(records, experiment.page)] if records else folds


def command(experiment: Experiment) -> str:
    """How to make the page oneself, in Markdown."""
    run = f"`tcstudy run params/smoke/{experiment.page}.yaml`"
    if not experiment.runs():
        return f"To make this page yourself: {run}. It trains nothing."
    published, large = f"params/{PUBLISHED}/{experiment.page}.yaml", f"params/paper/{experiment.page}.yaml"
    needs = " and needs a GPU" if PROFILES["paper"].gpu else ""
    return (
        f"To make this page yourself: {run} takes minutes on two CPU cores. `tcstudy plan {published}` estimates how "
        f"long the published size takes on your machine. `{large}` is the paper's size{needs}."
    )
