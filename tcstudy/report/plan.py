"""What a plan says: as a table and sentences for people, as plain data for programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from rich import box
from rich.table import Table

from tcstudy.study.plan import PagePlan, total
from tcstudy.study.speed import Speed

COUNTED = (
    "Counted is what is left to make: runs that are neither recorded nor shared with a file before, and the encoders "
    "that these runs need. Tokens forward are those predicted and those of frozen encoders. Tokens and operations are "
    "at most so many on average, told from the mean lengths of texts."
)


def sentences(speeds: Sequence[Speed | None]) -> list[str]:
    """How the numbers were found."""
    return [COUNTED, *dict.fromkeys(speed.told for speed in speeds if speed)]


def hours_by_device(plans: Sequence[PagePlan], speeds: Sequence[Speed | None]) -> dict[str, float]:
    """Hours of all pages on each device that they are told for."""
    hours: dict[str, float] = {}
    for plan, speed in zip(plans, speeds, strict=True):
        if speed:
            hours[speed.device] = hours.get(speed.device, 0.0) + speed.hours(plan.work)
    return hours


def plan_table(plans: Sequence[PagePlan], speeds: Sequence[Speed | None]) -> Table:
    """One row for each page, and one for all together.

    Args:
        plans: one for each page.
        speeds: for each page the speed that its hours are told by, None where there is nothing to compute.
    """
    by_device = hours_by_device(plans, speeds)
    several = len(by_device) > 1
    on = "" if several else "".join(f",\n{device}" for device in by_device)
    table = Table("page", box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
    for name in (*_COUNTS, f"hours{on}", *(["where"] if several else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for name, plan, speed in zip(_short([plan.runs.page for plan in plans]), plans, speeds, strict=True):
        hours = {speed.device: speed.hours(plan.work)} if speed else {}
        table.add_row(name, *_counted(plan), *_hours(hours)[: several + 1])
    table.add_section()
    table.add_row("total", *_counted(total(plans)), *_hours(by_device)[: several + 1])
    return table


_COUNTS = (
    "runs",
    "re-\ncord-\ned",
    "shar-\ned",
    "pre-\ntrain-\nings",
    "multi-\ntask",
    "tokens\ntrain-\ned",
    "tokens\nfor-\nward",
    "oper-\nations",
)


def _short(pages: Sequence[str]) -> list[str]:
    """Names of parameter files without folders, as far as that tells them apart."""
    for parts in (1, 2):
        short = ["/".join(PurePath(page).with_suffix("").parts[-parts:]) for page in pages]
        if len({*short}) == len(pages):
            return short
    return list(pages)


def _counted(plan: PagePlan) -> list[str]:
    runs, work = plan.runs, plan.work
    return [
        *(f"{count:,}" for count in (runs.runs, runs.recorded, runs.shared, plan.pretrainings, plan.multitask)),
        rounded(work.training_tokens),
        rounded(work.forward_tokens),
        f"{work.operations:.1e}".replace("e+", "e") if work.operations else "0",
    ]


def _hours(hours: Mapping[str, float]) -> tuple[str, str]:
    """Hours and devices, one a line."""
    numbers = [f"{number:,.2f}" if number >= 0.01 else "<0.01" for number in hours.values()]
    return "\n".join(numbers) or "0", "\n".join(hours)


def rounded(number: int) -> str:
    """A number in three digits, with the unit's prefix.

    >>> rounded(0), rounded(12_345), rounded(38_718_831_280)
    ('0', '12.3k', '38.7G')
    """
    power = min(4, max(0, int(math.log10(number) / 3))) if number else 0
    return f"{number / 1000**power:.3g}{' kMGT'[power].strip()}"


def plan_data(plans: Sequence[PagePlan], speeds: Sequence[Speed | None]) -> dict[str, Any]:
    """The same as plain data, hours not rounded; for JSON."""
    pages = [
        _counts(plan) | {"hours": speed.hours(plan.work) if speed else 0.0, "device": speed.device if speed else None}
        for plan, speed in zip(plans, speeds, strict=True)
    ]
    return {
        "pages": pages,
        "total": _counts(total(plans)) | {"hours": hours_by_device(plans, speeds)},
        "told": sentences(speeds),
    }


def _counts(plan: PagePlan) -> dict[str, Any]:
    return {
        "page": plan.runs.page,
        "runs": plan.runs.runs,
        "recorded": plan.runs.recorded,
        "shared": plan.runs.shared,
        "pretrainings": plan.pretrainings,
        "multitask_trainings": plan.multitask,
        **asdict(plan.work),
        "operations": plan.work.operations,
    }
