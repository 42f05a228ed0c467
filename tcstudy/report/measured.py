"""The effect of a comparison in the records of a page, if all its runs are there."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from tcstudy.catalog.datasets import absence
from tcstudy.experiments.base import Experiment, RunKey
from tcstudy.report.beside_paper import title
from tcstudy.report.claim_rules import Part
from tcstudy.report.contrasts import (
    Effect,
    Unmeasured,
    by_variant,
    errors,
    failures,
    forgetting,
    over_datasets,
    spread_beside,
)
from tcstudy.report.intervals import spread
from tcstudy.spec import AnyRun
from tcstudy.study.record import Record
from tcstudy.study.recorded import recorded


@dataclass(frozen=True)
class PageRecords:
    """The runs of a page's parameter file, the records that there are of them, and `Experiment.compared`."""

    runs: Mapping[RunKey, AnyRun]
    records: Mapping[RunKey, Record]
    compared: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """The runs of a page with the records that exist."""
        runs = experiment.runs()
        return cls(runs, recorded(runs), experiment.compared())

    @property
    def complete(self) -> dict[RunKey, Record]:
        """The records of variants of which no run on their data set is missing."""
        missing = {(key.dataset, key.variant) for key in self.runs.keys() - self.records.keys()}
        return {key: record for key, record in self.records.items() if (key.dataset, key.variant) not in missing}


def datasets_of(part: Part, page: PageRecords) -> list[str]:
    """The data sets of a page that a part is about."""
    names = dict.fromkeys(key.dataset for key in page.runs)
    return [name for name in names if part.on is None or name in part.on]


def cannot_be_had(dataset: str, page: PageRecords) -> bool:
    """Whether a data set has no records, and nobody can make them on this machine."""
    return bool(absence(dataset)) and dataset not in {key.dataset for key in page.records}


def effect_of(part: Part, page: PageRecords) -> Effect:
    """The effect over the data sets of a part that have the variants.

    Raises:
        Unmeasured: there are none, or runs are not recorded.
    """
    names = datasets_of(part, page)
    if not names:
        raise Unmeasured(f"this profile does not have {' and '.join(map(title, part.on or ()))}")
    by_dataset, reasons = by_variant(page.complete), []
    for name in names:
        try:
            _check_complete(part, page, name)
        except _LeftOut as reason:
            by_dataset.pop(name, None)
            reasons.append(str(reason))
    chosen = {name: by_dataset[name] for name in names if name in by_dataset}
    if not chosen:
        raise Unmeasured("; ".join(dict.fromkeys(reasons)))
    boundary = part.smallest.share if part.gain else 0.0
    if part.quantity == "failures":
        return failures(part.contrast, chosen, boundary)
    if part.quantity == "forgetting":
        risen = {name: forgetting(part.contrast, variants) for name, variants in chosen.items()}
        return over_datasets(risen, {name: spread(values) for name, values in risen.items()}, boundary)
    saved = {name: errors(part.contrast, variants) for name, variants in chosen.items()}
    spreads = {
        name: spread_beside(part.contrast, saved[name], variants, page.compared) for name, variants in chosen.items()
    }
    return over_datasets(saved, spreads, boundary)


class _LeftOut(Unmeasured):
    """Why a data set is no part of a comparison."""


def _check_complete(part: Part, page: PageRecords, dataset: str) -> None:
    """Whether all runs that a part needs on a data set are recorded.

    Raises:
        _LeftOut: the set is no part of the comparison.
        Unmeasured: some are not recorded.
    """
    names = [*part.contrast.weights, *([part.unlike] if part.unlike else [])]
    wanted = {key: run for key, run in page.runs.items() if key.dataset == dataset and key.variant in names}
    ids = {name: frozenset(run.id for key, run in wanted.items() if key.variant == name) for name in names}
    if lacking := [name for name in part.contrast.weights if not ids[name]]:
        raise _LeftOut(f"this profile does not have {' and '.join(map(title, lacking))} on {title(dataset)}")
    for one, other in itertools.combinations(names, 2):
        if ids[one] == ids[other]:
            raise _LeftOut(f"on {title(dataset)}, {one} and {other} are the same runs")
    if cannot_be_had(dataset, page):
        raise _LeftOut(f"{title(dataset)} cannot be had on this machine")
    if missing := [key for key in wanted if key not in page.records]:
        raise Unmeasured(f"{len(missing)} of {len(wanted)} runs are not recorded")
