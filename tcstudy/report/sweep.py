"""Several parameter files of one page side by side: how they differ, and how that changes the errors."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import Experiment, FineTuningExperiment
from tcstudy.report.cells import percent_range
from tcstudy.report.stats import errors
from tcstudy.report.tables import Markup, Table, given, shown_value
from tcstudy.study.results import recorded


def differing(experiments: Mapping[str, Experiment]) -> dict[str, dict[str, str]]:
    """The dotted keys in which experiments of one page differ, with their values by file name."""
    flat = {name: _flat(given(experiment)) for name, experiment in experiments.items()}
    keys = dict.fromkeys(key for values in flat.values() for key in values if key != "profile")
    found = {
        key: {name: shown_value(values[key]) if key in values else "–" for name, values in flat.items()} for key in keys
    }
    return {key: values for key, values in found.items() if len(set(values.values())) > 1}


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            name: inner
            for part in value
            for name, inner in _flat(value[part], f"{key}.{part}" if key else part).items()
        }
    return {key: value}


def sweep_tables(experiments: Mapping[str, Experiment]) -> list[Table]:
    """A table for each page with several files: test errors by data set, variant and the keys that differ.

    Args:
        experiments: by file name; pages without runs of their own are left out.
    """
    pages: dict[str, dict[str, Experiment]] = {}
    for name, experiment in experiments.items():
        if isinstance(experiment, FineTuningExperiment):
            pages.setdefault(experiment.page, {})[name] = experiment
    return [_table(page, files) for page, files in pages.items() if len(files) > 1]


def _table(page: str, files: Mapping[str, Experiment]) -> Table:
    varied = differing(files)
    rows = []
    for name, experiment in files.items():
        values = [varied[key][name] for key in varied]
        file = Markup(name, f"{{doc}}`{name} <{name}>`")
        if records := recorded(experiment.runs()):
            found = errors(records)
            cells = [
                (dataset_title(cell["dataset"]), dataset_title(cell["variant"]), _error(cell))
                for _, cell in found.iterrows()
            ]
        else:
            cells = [("–", "–", "not recorded yet")]
        rows += [(file, *values, *cell) for cell in cells]
    head = ("parameter file", *varied, "data set", "variant", "test error")
    caption = f"Test errors of the page {page} across its parameter files"
    note = "95% intervals over runs and test documents in brackets. No differences between files are tested."
    return Table(head, rows, caption, f"sweep-{page}", note)


def _error(cell: pd.Series) -> str:
    return "did not converge" if cell["diverged"] == cell["runs"] else percent_range(cell)
