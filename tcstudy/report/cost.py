"""What a choice costs, in hours and operations, and what it buys: as values, tables and sentences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.experiments.base import RunKey
from tcstudy.report import claim_rules as rules
from tcstudy.report.cells import error_cell, note, share_cell, with_runs
from tcstudy.report.claim_rules import CDPT, FEATURES, FIT, IDPT, ITPT, LITTLE, MULTITASK, Part, Rule, gains, saves
from tcstudy.report.frame import PLAIN, levels
from tcstudy.report.intervals import LEAST_RUNS
from tcstudy.report.measured import Effect, PageRecords, arms_of
from tcstudy.report.plan import rounded
from tcstudy.report.stats import by_cell, errors
from tcstudy.report.tables import Notice, Table, chapter, duration, escape_markdown, percent
from tcstudy.report.verdict_tables import first_reason
from tcstudy.report.verdicts import UNTESTED, find
from tcstudy.spec import EncoderSpec, MultitaskSpec, RunSpec
from tcstudy.study.encoders import EncoderRecord
from tcstudy.study.plan import known_facts
from tcstudy.study.record import Record
from tcstudy.study.work import multitask_work, pretraining_work, run_work

Encoders = Mapping[EncoderSpec, EncoderRecord]


@dataclass(frozen=True)
class Choice:
    """Something that can be done or left, and on which page which comparison tells what it buys."""

    text: str
    page: str
    parts: Rule


def _truncations(runs: pd.DataFrame) -> list[Part]:
    parts = [part for part in rules.long_texts(runs) if "head-only" in part.arms]
    return [replace(part, on=None) for part in parts[:1]]


def _larger(runs: pd.DataFrame) -> list[Part]:
    sizes = levels(runs, "encoder.layers")
    arms = {f"{layers:.0f} layers": {**PLAIN, "encoder.layers": layers} for layers in (*sizes[:1], *sizes[-1:])}
    return [Part("more layers", arms, saves(*reversed(arms)))] if len(arms) > 1 else []


CHOICES = (
    Choice("head and tail of long texts instead of the head only", "long_texts", _truncations),
    Choice(
        "a rate that falls mildly from layer to layer", "layer_decay", partial(rules.decay, mild=0.95, smallest=LITTLE)
    ),
    Choice("fine-tuning instead of reading features", "bag_of_words", gains((FIT, FEATURES))),
    Choice("pre-training on the task's own text first", "domains", gains((ITPT, FIT))),
    Choice("pre-training on text of its domain first", "comparison", gains((IDPT, FIT))),
    Choice("pre-training on text of all domains first", "domains", gains((CDPT, FIT))),
    Choice("fine-tuning on several tasks first", "multitask", gains((MULTITASK, FIT))),
    Choice("the encoder with more layers", "larger_encoder", _larger),
)
FRONTIER_PAGES = ("long_texts", "bag_of_words", "comparison", "multitask", "larger_encoder")
"""The pages whose variants stand on the frontiers."""
PAGES = tuple(dict.fromkeys([*FRONTIER_PAGES, *(choice.page for choice in CHOICES)]))


def made_for(encoder: EncoderSpec, encoders: Encoders) -> tuple[float, float]:
    """Hours and operations of all stages that made an encoder; hours are missing where a record is.

    Operations are those of training alone. The measuring of heads, which nobody needs in order to classify, is neither
    in them nor in the hours.
    """
    seconds, operations = 0.0, 0
    for made in encoder.made_on_the_way():
        facts = known_facts(made.name, made.revision)
        work = multitask_work if isinstance(made.stages[-1], MultitaskSpec) else pretraining_work
        operations += work(made, facts).operations
        seconds += encoders[made].cost.training_seconds if made in encoders else np.nan
    return seconds / 3600, float(operations)


def _own(record: Record) -> tuple[float, float]:
    """Hours and operations of a run: its training, and its predictions of validation and test documents."""
    seconds = record.cost.training_seconds + record.cost.evaluation_seconds
    if not isinstance(record.spec, RunSpec):
        return seconds / 3600, np.nan  # a bag of words, whose operations are nothing beside an encoder's
    facts = known_facts(record.spec.encoder.name, record.spec.encoder.revision)
    return seconds / 3600, float(run_work(record.spec, facts).operations)


def prices(records: Mapping[RunKey, Record], encoders: Encoders) -> pd.DataFrame:
    """What each variant of a page costs who has one task: a run, and all that made its encoder before.

    Returns:
        One row for each data set and variant. Columns dataset, variant; hours, operations of everything, made_hours
        (those of making its encoder, within hours), each the mean over runs; tasks: on how many data sets of the page
        the same encoder is fine-tuned.
    """
    tasks: dict[EncoderSpec, set[str]] = {}
    for key, record in records.items():
        if isinstance(record.spec, RunSpec):
            tasks.setdefault(record.spec.encoder, set()).add(key.dataset)
    rows = []
    for (dataset, variant), runs in by_cell(records).items():
        own = np.mean([_own(record) for record in runs.values()], axis=0)
        specs = [record.spec.encoder for record in runs.values() if isinstance(record.spec, RunSpec)]
        made = np.mean([made_for(spec, encoders) for spec in specs], axis=0) if specs else np.zeros(2)
        rows.append(
            {
                "dataset": dataset,
                "variant": variant,
                "hours": own[0] + made[0],
                "operations": own[1] + made[1],
                "made_hours": made[0],
                "tasks": max((len(tasks[spec]) for spec in specs), default=1),
            }
        )
    return pd.DataFrame(rows)


def methods(pages: Mapping[str, PageRecords], encoders: Encoders) -> pd.DataFrame:
    """All variants of several pages with their price and test error, a variant that stands on several pages once.

    Of a data set, only runs on the same documents are kept: those of most variants.

    Returns:
        Columns of `prices` and of `stats.errors`, without those that diverged. Where different runs of two pages have
        one name, the page follows it.
    """
    seen: set[tuple[str, ...]] = set()
    frames = []
    for name, page in pages.items():
        if page.records:
            found = errors(page.records).merge(prices(page.records, encoders), on=["dataset", "variant"])
            found["page"] = name
            found["documents_of"] = [_documents(runs) for runs in by_cell(page.records).values()]
            found = found[[ids not in seen for ids in found["ids"]]]
            seen |= set(found["ids"])
            frames.append(found)
    if not frames:
        return pd.DataFrame(columns=["dataset", "variant", "hours", "operations", "mean", "low", "high"])
    together = pd.concat(frames, ignore_index=True)
    most = together.groupby("dataset")["documents_of"].agg(lambda names: names.mode()[0])
    same = together["documents_of"] == together["dataset"].map(most)
    kept = together[same].dropna(subset="mean").sort_values("dataset", kind="stable", ignore_index=True)
    twice = kept.duplicated(["dataset", "variant"], keep=False)
    kept.loc[twice, "variant"] += " (" + kept.loc[twice, "page"] + ")"
    return kept


def _documents(runs: Mapping[RunKey, Record]) -> str:
    return next(iter(runs.values())).spec.data.model_dump_json(exclude={"draw"})


def frontier(points: pd.DataFrame, by: str) -> pd.Series:
    """Whether no cheaper method has an error as low.

    Args:
        points: `mean` errors and a column of prices.
        by: the column; a method without a price is not on the frontier.

    >>> frontier(pd.DataFrame({"hours": [3, 1, 2], "mean": [0.1, 0.3, 0.3]}), "hours").tolist()
    [True, True, False]
    """
    ordered = points.dropna(subset=by).sort_values([by, "mean"])
    best = ordered["mean"].cummin()
    better = best < best.shift(fill_value=np.inf)
    return better.reindex(points.index, fill_value=False)


def bought(pages: Mapping[str, PageRecords], encoders: Encoders) -> pd.DataFrame:
    """What each choice saves and costs, averaged over the data sets of its comparison.

    Returns:
        Columns choice, page, reason (why it was not measured or not tested, else empty), effect, runs (ids), scale;
        hours and operations, more than without it, for one task; shared_hours, if the making of an encoder is divided
        among the tasks that it serves; free: whether it takes no operations more; rate: the share of errors saved per
        hour more, missing where it takes no more hours.
    """
    found = [_bought(choice, pages.get(choice.page), encoders) for choice in CHOICES]
    columns = (
        "choice",
        "page",
        "reason",
        "effect",
        "runs",
        "scale",
        "hours",
        "operations",
        "shared_hours",
        "free",
        "rate",
    )
    return pd.DataFrame(found, columns=columns)


def _bought(choice: Choice, page: PageRecords | None, encoders: Encoders) -> dict[str, Any]:
    row: dict[str, Any] = {"choice": choice.text, "page": choice.page, "effect": None, "runs": (), "free": False}
    if page is None:
        return row | {"reason": "this profile has no parameters for the page"}
    parts = choice.parts(page.table)
    if not parts:
        return row | {"reason": "the page does not have the variants that are compared"}
    found = find(parts[0], page)
    if found.effect is None or found.decision == UNTESTED:
        return row | {"reason": found.reason}
    more = extra(prices(page.records, encoders), parts[0], page, found.effect.datasets)
    rate = found.effect.mean / more["hours"] if more["hours"] > 0 else np.nan
    return row | more | {"reason": "", "effect": found.effect, "runs": found.runs, "scale": found.scale, "rate": rate}


def extra(priced: pd.DataFrame, part: Part, page: PageRecords, datasets: Iterable[str]) -> dict[str, Any]:
    """What the better variant of a comparison costs more than the other, on average over data sets.

    Args:
        priced: as `prices` gives it.
        part: of two variants.
        page: whose records they are.
        datasets: their names.
    """
    worse = part.contrast.reference
    [better] = set(part.contrast.weights) - {worse}
    priced = priced.assign(shared_hours=priced["hours"] - priced["made_hours"] * (1 - 1 / priced["tasks"]))
    cells = priced.set_index(["dataset", "variant"])[["hours", "operations", "shared_hours"]]
    more = []
    for dataset in datasets:
        arms = arms_of(part, page, dataset)
        of = {name: cells.loc[dataset, rows["variant"].iloc[0]] for name, rows in arms.items()}
        more.append(of[better] - of[worse])
    mean = pd.concat(more, axis=1).mean(axis=1)
    return mean.to_dict() | {"free": bool(mean["operations"] <= 0)}


def saves_errors(effect: Effect) -> bool:
    """Whether an effect is above zero with all of its interval, from runs enough to decide."""
    return effect.runs >= LEAST_RUNS and effect.low > 0


def operations_cell(operations: float) -> str:
    """A number of operations in three digits with the unit's prefix, or a dash."""
    if pd.isna(operations):
        return "–"
    return f"{'-' if operations < 0 else ''}{rounded(round(abs(operations)))}"


def methods_table(points: pd.DataFrame, name: str) -> Table:
    """One row for each data set and method, cheapest first.

    Args:
        points: as `cost.methods` gives them.
        name: target of cross-references.
    """
    rows = []
    for dataset, cells in points.groupby("dataset", sort=False):
        kept = {told: frontier(cells, by) for told, by in (("time", "hours"), ("operations", "operations"))}
        for place, cell in cells.sort_values("hours").iterrows():
            unbeaten = [by for by, on in kept.items() if on[place]]
            prices = [duration(cell["hours"]), duration(cell["made_hours"]), operations_cell(cell["operations"])]
            error = error_cell(cell, page=cell["page"])
            rows.append([cell["variant"], dataset_title(dataset), error, *prices, " and ".join(unbeaten) or "–"])
    head = ("method", "data set", "test error", "time", "of which encoder", "operations", "unbeaten in")
    caption = "Cost and error of each method, for a single task"
    return Table(head, rows, caption, name, note(points) if len(points) else "")


def bought_table(bought: pd.DataFrame, name: str) -> Table:
    """One row for each choice, what buys most per hour first.

    Args:
        bought: as `cost.bought` gives it.
        name: target of cross-references.
    """
    rows = [
        [
            row.choice,
            with_runs(_saved(row.effect), row.runs, row.page) if row.effect else first_reason(row.reason),
            duration(row.hours),
            duration(row.shared_hours),
            operations_cell(row.operations),
            _rate(row),
            chapter(row.page),
        ]
        for row in _ordered(bought).itertuples()
    ]
    head = (
        "choice",
        "errors saved",
        "extra time",
        "extra time, shared",
        "extra FLOPs",
        "extra time to save a tenth",
        "chapter",
    )
    return Table(head, rows, "What each choice saves, and what it costs more than to do without", name)


def _saved(effect: Effect) -> str:
    return share_cell(effect.mean, effect.low, effect.high)


def _rate(row: tuple) -> str:
    if row.effect is None or not saves_errors(row.effect):
        return "–"
    return "free" if row.free else duration(0.1 / row.rate)


def _ordered(bought: pd.DataFrame) -> pd.DataFrame:
    """What saves errors first, the free before the paid; then what may; then what was not measured."""
    place = [
        (row.effect is None, row.effect is not None and not saves_errors(row.effect), not row.free, -_number(row.rate))
        for row in bought.itertuples()
    ]
    return bought.loc[sorted(bought.index, key=dict(zip(bought.index, place, strict=True)).__getitem__)]


def _number(rate: float) -> float:
    return 0.0 if pd.isna(rate) else rate


def bought_found(bought: pd.DataFrame) -> Notice:
    """Which choices save errors, which of these are free, and which of the rest buys most per hour.

    Args:
        bought: as `cost.bought` gives it.
    """
    measured = _ordered(bought[[effect is not None for effect in bought["effect"]]])
    if measured.empty:
        return Notice("warning", "What buys most", "No comparison has all of its records yet.")
    sure = measured[[saves_errors(effect) for effect in measured["effect"]]]
    paid = sure[~sure["free"].astype(bool)]
    told = []
    if (gifts := sure[sure["free"].astype(bool)]["choice"].tolist()) or sure.empty:
        told.append(f"Free wins, with fewer errors at no extra FLOPs: {_listed(gifts)}.")
    if len(paid):
        first = paid.iloc[0]
        told.append(
            f"Best value for extra compute: {first['choice']}. It saved "
            f"{percent(first['effect'].mean)} of the errors for {duration(first['hours'])} more ({first['scale']})."
        )
        if len(paid) > 1:
            told.append(f"Next: {_listed(paid['choice'].tolist()[1:])}.")
    unsure = measured[[not saves_errors(effect) for effect in measured["effect"]]]
    told.append(f"No clear benefit: {_listed(unsure['choice'].tolist())}.")
    if untested := bought.loc[[effect is None for effect in bought["effect"]], "choice"].tolist():
        told.append(f"Not tested or not measured: {_listed(untested)}.")
    return Notice("tip", "What buys most", "\n\n".join(told))


def _listed(texts: list[str]) -> str:
    return "; ".join(texts) or "none"


def timed_on(pages: Mapping[str, PageRecords]) -> Notice:
    """On how many kinds of machine the hours were taken, since hours of different ones cannot be compared.

    Bags of words are left aside: they are made by one thread of any processor, in seconds.
    """
    devices = {
        (record.provenance.device, record.provenance.system)
        for page in pages.values()
        for record in page.records.values()
        if record.provenance.encoder_digest
    }
    if len(devices) < 2:
        text = "All times were taken on one kind of machine."
    else:
        named = "; ".join(escape_markdown(f"{device}, {system}") for device, system in sorted(devices))
        text = f"Times were taken on {len(devices)} kinds of machine ({named}): compare operations rather than hours."
    return Notice("note", "The clock", f"{text} What else ran on it meanwhile made times longer; operations are exact.")
