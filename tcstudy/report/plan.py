"""A plan, as tables and sentences for people and as plain data for programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import PurePath
from typing import Any

from rich import box
from rich.table import Table

from tcstudy.report.power import MOST_DRAWS, SOURCES, Prospect
from tcstudy.study.plan import PagePlan, total
from tcstudy.study.speed import AT_ONCE, GpuSpeed, Speed, hours

COUNTED = (
    "The plan counts what is still to be computed: runs that are neither recorded nor shared with an earlier file, the "
    "encoders that these runs need, and the texts they read. Tokens and operations are upper bounds on average, "
    "computed from the mean lengths of texts."
)
HALF_WIDTH = (
    "± is the lowest and highest expected half-width of the 95% intervals of the page's comparisons, as a share of "
    "the reference's errors; then come the smallest share that counts for a claim, and how many of the claims' "
    "comparisons are precise enough for it. Variances come from the nearest recorded comparisons: {sources}. --details "
    "lists each comparison."
)
NO_HALF_WIDTH = "The precision of the comparisons is not known: no two runs of two variants are recorded."


def sentences(
    plans: Sequence[PagePlan], speeds: Sequence[Speed | None], told: Sequence[Sequence[Prospect]] = ()
) -> list[str]:
    """How the numbers were found."""
    found = [COUNTED, *dict.fromkeys(speed.told for speed in speeds if speed)]
    for gpu in dict.fromkeys(speed.gpu for speed in speeds if isinstance(speed, GpuSpeed)):
        on_it = [
            (plan, speed)
            for plan, speed in zip(plans, speeds, strict=True)
            if isinstance(speed, GpuSpeed) and speed.gpu == gpu
        ]
        alone = sum(hours(plan, speed) for plan, speed in on_it)
        shared = sum(hours(plan, replace(speed, at_once=AT_ONCE)) for plan, speed in on_it)
        found.append(
            f"{AT_ONCE} runs at once on each {gpu.name}, under CUDA MPS and with a core each, take {shared:,.1f} "
            f"instead of {alone:,.1f} GPU-hours at best: one run computes while the other launches kernels."
        )
    sources = {source for page in told for each in page for source in each.sources}
    if sources:
        named = (f"{title} ({name})" for name, title in SOURCES.items() if name in sources)
        found.append(HALF_WIDTH.format(sources=", ".join(named)))
    elif told:
        found.append(NO_HALF_WIDTH)
    return found


def hours_by_device(plans: Sequence[PagePlan], speeds: Sequence[Speed | None]) -> dict[str, float]:
    """Hours of all pages on each device that they are estimated for."""
    found: dict[str, float] = {}
    for plan, speed in zip(plans, speeds, strict=True):
        if speed:
            found[speed.device] = found.get(speed.device, 0.0) + hours(plan, speed)
    return found


def plan_table(plans: Sequence[PagePlan], speeds: Sequence[Speed | None], told: Sequence[Sequence[Prospect]]) -> Table:
    """One row for each page with runs, and one for the total.

    Args:
        plans: one for each page.
        speeds: for each page the speed that its hours are computed from, None where there is nothing to compute.
        told: for each page the precision of its comparisons.
    """
    by_device = hours_by_device(plans, speeds)
    several = len(by_device) > 1
    on = "" if several else "".join(f"\n{device}" for device in by_device)
    table = _table()
    for name in ("runs", "left", "en-\ncoders", "tokens", f"hours{on}", *(["where"] if several else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("±", "smallest", "precise\nenough"):
        table.add_column(name, justify="right", no_wrap=True)
    names = _short([plan.runs.page for plan in plans])
    for name, plan, speed, page in zip(names, plans, speeds, told, strict=True):
        if not plan.runs.runs:
            continue
        on_one = {speed.device: hours(plan, speed)} if speed else {}
        table.add_row(name, *_counted(plan), *_hours(on_one)[: several + 1], *_fineness(page))
    table.add_section()
    table.add_row("total", *_counted(total(plans)), *_hours(by_device)[: several + 1], "", "", "")
    return table


def _table() -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("page", no_wrap=True)
    return table


def _counted(plan: PagePlan) -> list[str]:
    work, encoders = plan.work, plan.pretrainings + plan.multitask
    tokens = work.training_tokens + work.forward_tokens
    return [f"{plan.runs.runs:,}", f"{len(plan.runs.new):,}", f"{encoders:,}", rounded(tokens)]


def _fineness(page: Sequence[Prospect]) -> tuple[str, str, str]:
    """Lowest and highest half-width of a page's comparisons, the smallest effects that count, how many can show them.

    If the page tests claims, only their comparisons count.
    """
    whole = [each for each in page if each.whole]
    claimed = [each for each in whole if each.smallest is not None]
    widths = sorted(each.share for each in claimed or whole)
    if not widths:
        return "", "", ""
    ends = dict.fromkeys(f"{width:.1%}" if width < 0.095 else f"{width:.0%}" for width in (widths[0], widths[-1]))
    smallest = dict.fromkeys(f"{each.smallest:.0%}" for each in claimed)
    enough = f"{sum(each.decides for each in claimed)} of {len(claimed)}" if claimed else ""
    return "–".join(ends), ", ".join(smallest), enough


def work_table(plans: Sequence[PagePlan]) -> Table:
    """One row for each page with runs, with all counts."""
    table = _table()
    for name in ("recorded", "shared", "pre-\ntrainings", "multi-\ntask", "updates", "tokens\ntrained"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("tokens\nforward", "FLOPs"):
        table.add_column(name, justify="right", no_wrap=True)
    names = [*_short([plan.runs.page for plan in plans]), "total"]
    for name, plan in zip(names, [*plans, total(plans)], strict=True):
        if not plan.runs.runs:
            continue
        runs, work = plan.runs, plan.work
        amounts = (work.updates, work.training_tokens, work.forward_tokens)
        table.add_row(
            name,
            *(f"{count:,}" for count in (runs.recorded, runs.shared, plan.pretrainings, plan.multitask)),
            *map(rounded, amounts),
            f"{work.operations:.1e}".replace("e+", "e") if work.operations else "0",
        )
    return table


def comparisons_table(page: str, told: Sequence[Prospect]) -> Table:
    """A few rows for each comparison of a page: each data set, and the mean of several."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, title=page, title_justify="left")
    table.add_column("comparison (what counts)")
    for name in ("draws", "texts", "±\npoints", "±\nshare", "twice\ndraws", "twice\ntexts", "draws\nneeded", "by"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for each in told:
        counts = "" if each.smallest is None else f" ({each.smallest:.0%})"
        if (title := f"{each.variant} / {each.reference}{counts}") != before:
            table.add_row(title)
        before = title
        table.add_row(
            f"  {each.dataset}",
            f"{each.draws:,}",
            f"{each.documents:,}",
            f"{100 * each.points:.1f}",
            *(f"{width:.1%}" for width in (each.share, each.share_with(draws=2), each.share_with(documents=2))),
            "" if each.smallest is None else f"{each.enough or f'>{MOST_DRAWS:,}'}",
            "+".join(each.sources),
        )
    return table


def _short(pages: Sequence[str]) -> list[str]:
    """Names of parameter files without folders, if that distinguishes them."""
    for parts in (1, 2):
        short = ["/".join(PurePath(page).with_suffix("").parts[-parts:]) for page in pages]
        if len({*short}) == len(pages):
            return short
    return list(pages)


def _hours(by_device: Mapping[str, float]) -> tuple[str, str]:
    """Hours and devices, one per line."""
    numbers = [f"{number:,.2f}" if number >= 0.01 else "<0.01" for number in by_device.values()]
    return "\n".join(numbers) or "0", "\n".join(by_device)


def rounded(number: int) -> str:
    """A number with three digits and the unit's prefix.

    >>> rounded(0), rounded(12_345), rounded(38_718_831_280)
    ('0', '12.3k', '38.7G')
    """
    power = min(4, max(0, int(math.log10(number) / 3))) if number else 0
    return f"{number / 1000**power:.3g}{' kMGT'[power].strip()}"


def plan_data(
    plans: Sequence[PagePlan],
    speeds: Sequence[Speed | None],
    told: Sequence[Sequence[Prospect]],
    needed: Sequence[str],
) -> dict[str, Any]:
    """The same as plain data, not rounded; for JSON."""
    pages = [
        _counts(plan)
        | {"hours": hours(plan, speed) if speed else 0.0, "device": speed.device if speed else None}
        | {"comparisons": [_comparison(each) for each in page]}
        for plan, speed, page in zip(plans, speeds, told, strict=True)
    ]
    return {
        "pages": pages,
        "total": _counts(total(plans)) | {"hours": hours_by_device(plans, speeds)},
        "told": sentences(plans, speeds, told),
        "here": list(needed),
    }


def _comparison(each: Prospect) -> dict[str, Any]:
    names = ("variant", "reference", "dataset", "draws", "documents", "points", "share", "smallest", "sources")
    return {name: getattr(each, name) for name in names}


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
