"""What a page says last, folded: how to run it, with which parameters it was run, on what, and from which runs."""

from collections.abc import Mapping

from tcstudy.catalog.profiles import PROFILES, PUBLISHED
from tcstudy.experiments.base import Experiment, RunKey
from tcstudy.report import encoders
from tcstudy.report.cells import runs_behind
from tcstudy.report.tables import Fold, documents_used, made_with, run_with
from tcstudy.study.encoders import encoders_behind
from tcstudy.study.record import Record

NO_RUNS: Mapping[RunKey, Record] = {}


def of(experiment: Experiment, records: Mapping[RunKey, Record] = NO_RUNS) -> list[Fold]:
    """The end of a page.

    Args:
        experiment: of the page.
        records: of its runs; none for a page that trains nothing.
    """
    tables = [run_with(experiment)]
    if made := encoders_behind(records.values()):
        tables.append(encoders.made(made, experiment.page))
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
