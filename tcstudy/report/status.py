"""The state of the records: which exist, which are missing or stale, when they were made, and on what hardware."""

from collections.abc import Iterable, Mapping

import pandas as pd

from tcstudy.experiments.base import Experiment
from tcstudy.report.tables import Notice, Table, chapter, escape_markdown
from tcstudy.spec import SEMANTICS, Identified, RunSpec
from tcstudy.study.encoders import EncoderRecord
from tcstudy.study.record import Provenance, Record
from tcstudy.study.results import Shelf

AnyRecord = Record | EncoderRecord


def is_stale(record: AnyRecord) -> bool:
    """Whether a record was made when its description meant a different computation than it does now."""
    return record.semantics < SEMANTICS


def pages_table(experiments: Mapping[str, Experiment], shelf: Shelf, name: str) -> Table:
    """One row for each page with runs: how many of these and of their encoders are recorded, stale or missing."""
    fresh, stale = _by_state(shelf)
    rows = []
    for page, experiment in experiments.items():
        runs = set(experiment.runs().values())
        made = {part for run in runs if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()}
        if not runs:
            continue
        wanted = runs | made
        there = _of(wanted, fresh)
        lost = sum(isinstance(record, Record) and record.outcome == "diverged" for record in there)
        numbers = [len(wanted) - len(there), len(wanted & stale.keys()), lost]
        counted = [f"{len(part & fresh.keys()):,} of {len(part):,}" for part in (runs, made)]
        rows.append([chapter(page), *counted, *(f"{number:,}" for number in numbers), *_first_last(there)])
    head = ("page", "runs", "encoders", "missing", "stale", "diverged", "first made", "last made")
    return Table(head, rows, "The records of this profile's pages", name)


def _by_state(shelf: Shelf) -> tuple[dict[Identified, AnyRecord], dict[Identified, AnyRecord]]:
    """Records by their specs: the valid ones, and the stale ones that no valid one has replaced."""
    records = (*shelf.runs, *shelf.encoders)
    fresh = {record.spec: record for record in records if not is_stale(record)}
    return fresh, {record.spec: record for record in records if is_stale(record) and record.spec not in fresh}


def _of(wanted: set, records: Mapping[Identified, AnyRecord]) -> list[AnyRecord]:
    return [records[spec] for spec in wanted & records.keys()]


def _first_last(records: Iterable[AnyRecord]) -> list[str]:
    made = sorted(record.provenance.made[:10] for record in records)
    return [made[0], made[-1]] if made else ["–", "–"]


def environments(shelf: Shelf) -> pd.DataFrame:
    """The machines and versions that records were made with.

    Returns:
        One row each, most records first: columns place (a letter), package, commit, versions, device, records, first
        and last; indexed by what tells them apart.
    """
    rows: dict[tuple, list[str]] = {}
    for record in (*shelf.runs, *shelf.encoders):
        rows.setdefault(_environment(record.provenance), []).append(record.provenance.made[:10])
    ordered = sorted(rows.items(), key=lambda row: (-len(row[1]), row[0]))
    frame = pd.DataFrame(
        [[*key, len(made), min(made), max(made)] for key, made in ordered],
        columns=["package", "commit", "versions", "device", "records", "first", "last"],
        index=pd.Index([key for key, _ in ordered], tupleize_cols=False),
    )
    return frame.assign(place=[_letter(number) for number in range(len(frame))])


def _environment(made: Provenance) -> tuple[str, str, str, str]:
    commit = "–" if made.commit is None else made.commit[:8] + ("+" if made.commit.endswith("+") else "")
    versions = ", ".join(f"{name} {number}" for name, number in {"Python": made.python, **made.libraries}.items())
    processes = f", {made.processes} processes" if made.processes > 1 else ""
    return made.package, commit, versions, f"{made.device}, {made.system}{processes}"


def _letter(number: int) -> str:
    """A, B, ..., Z, AA, AB, ...

    >>> _letter(0), _letter(25), _letter(26)
    ('A', 'Z', 'AA')
    """
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def environments_table(found: pd.DataFrame, name: str) -> Table:
    """One row for each environment.

    Args:
        found: as `environments` gives it.
        name: target of cross-references.
    """
    columns = ["place", "package", "commit", "versions", "device", "records", "first", "last"]
    rows = [[str(cell) for cell in row] for row in found[columns].itertuples(index=False)]
    head = ("name", "package", "commit", "versions", "device", "records", "first made", "last made")
    return Table(head, rows, "Hardware and versions of the records; + marks uncommitted changes", name)


def state_found(experiments: Mapping[str, Experiment], shelf: Shelf) -> Notice:
    """Whether everything is recorded and valid, and what in the folder belongs to no page."""
    fresh, stale = _by_state(shelf)
    wanted = {run for experiment in experiments.values() for run in experiment.runs().values()}
    wanted |= {made for run in wanted if isinstance(run, RunSpec) for made in run.encoder.made_on_the_way()}
    there, old = len(wanted & fresh.keys()), len(wanted & stale.keys())
    others = len([record for record in (*shelf.runs, *shelf.encoders) if record.spec not in wanted])
    told = [
        f"{there:,} of the {len(wanted):,} records of this profile's pages exist and are valid",
        f"{old:,} are stale: the package now computes something else from their descriptions",
        f"{others:,} other records belong to no page of this profile",
        f"{len(shelf.unread):,} files in the folder could not be read as records",
    ]
    names = f" ({', '.join(map(escape_markdown, sorted(shelf.unread)))})" if shelf.unread else ""
    complete = there == len(wanted)
    return Notice("tip" if complete else "warning", "The records", f"{'; '.join(told)}{names}.")
