"""What pages will cost, before anything is trained: which runs and encoders are left to be made, and their work."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tcstudy.catalog.encoders import EncoderFacts, encoder_facts, fetched_facts
from tcstudy.errors import StudyError
from tcstudy.spec import AnyRun, EncoderSpec, MultitaskSpec, RunSpec
from tcstudy.study.work import (
    Work,
    measuring_work,
    multitask_work,
    pretraining_work,
    run_work,
    texts_read,
    tokenising_work,
)

Kind = Literal["fine-tuning", "pre-training", "multi-task", "tokenising"]


@dataclass(frozen=True)
class PageRuns:
    """The different runs of a page: how many, how many are recorded, how many of the others a page before makes.

    `new` are the runs that are left.
    """

    page: str
    runs: int
    recorded: int
    shared: int
    new: tuple[AnyRun, ...]


def sort_runs(pages: Mapping[str, Iterable[AnyRun]], is_recorded: Callable[[AnyRun], bool]) -> list[PageRuns]:
    """Sort the runs of each page, by name, into recorded ones, those that an earlier page makes, and new ones."""
    seen: set[str] = set()
    result = []
    for page, runs in pages.items():
        runs_by_id = {run.id: run for run in runs}
        left = {id: run for id, run in runs_by_id.items() if not is_recorded(run)}
        new = tuple(run for id, run in left.items() if id not in seen)
        seen |= left.keys()
        result.append(PageRuns(page, len(runs_by_id), len(runs_by_id) - len(left), len(left) - len(new), new))
    return result


@dataclass(frozen=True)
class PlannedWork:
    """Something that takes time: a fine-tuning with its predictions, the making of an encoder, or tokenising.

    `encoder` is the name of the published encoder that it begins with; empty for tokenising.
    """

    kind: Kind
    encoder: str
    work: Work


@dataclass(frozen=True)
class PagePlan:
    """What a page adds to the pages before it.

    Attributes:
        runs: its runs; a bag of words, which takes seconds, adds no work.
        pretrainings, multitask: encoders to be trained for the new ones, counted with the first page that needs them.
        parts: the work of these encoders and of the new runs, one by one. Of a further pre-training that a page before
            stops sooner, the later updates; the texts of a data set are tokenised once.
    """

    runs: PageRuns
    pretrainings: int
    multitask: int
    parts: tuple[PlannedWork, ...]

    @functools.cached_property
    def work(self) -> Work:
        """All of it."""
        return sum((part.work for part in self.parts), Work())


def plan_pages(pages: Iterable[PageRuns], is_made: Callable[[EncoderSpec], bool] = lambda _: False) -> list[PagePlan]:
    """What each page adds to those before it.

    An encoder whose weights are there (`is_made`) is not made again, nor what it was made of.

    Raises:
        StudyError: the size of an encoder is not known.
    """
    facts_of = functools.cache(known_facts)  # read from the settings' folder each time
    ledger = _Ledger(is_made)
    plans = []
    for page in pages:
        runs = [run for run in page.new if isinstance(run, RunSpec)]
        before = ledger.counts()
        parts = [part for run in runs for part in ledger.read(run)]
        for encoder in dict.fromkeys(run.encoder for run in runs):
            parts += ledger.make(encoder, facts_of(encoder.name, encoder.revision))
        for run in runs:
            facts = facts_of(run.encoder.name, run.encoder.revision)
            parts.append(PlannedWork("fine-tuning", run.encoder.name, run_work(run, facts)))
        pretrainings, multitask = (now - then for now, then in zip(ledger.counts(), before, strict=True))
        plans.append(PagePlan(page, pretrainings, multitask, tuple(parts)))
    return plans


class _Ledger:
    """What was made so far: each training is made once, a further pre-training up to its latest stop."""

    def __init__(self, is_made: Callable[[EncoderSpec], bool]) -> None:
        self.is_made = is_made
        self.done: set[str] = set()
        self.tokenised: set[tuple[str, str]] = set()
        self.multitask = 0
        self.updates: dict[str, int] = {}  # of each further pre-training, by the identity of its last encoder

    def counts(self) -> tuple[int, int]:
        """Further pre-trainings and multi-task trainings."""
        return len(self.updates), self.multitask

    def read(self, run: RunSpec) -> Iterator[PlannedWork]:
        """Note the texts that a run reads; the tokenising of those that were not read before."""
        for name in sorted(texts_read(run)):
            if (name, run.encoder.name) not in self.tokenised:
                self.tokenised.add((name, run.encoder.name))
                yield PlannedWork("tokenising", "", tokenising_work(name))

    def make(self, encoder: EncoderSpec, facts: EncoderFacts) -> list[PlannedWork]:
        """Note `encoder` and all that it is made of; what is left to be made of them, the latest stage first."""
        parts = []
        for made in reversed(encoder.made_on_the_way()):
            if made.id in self.done or self.is_made(made):
                break
            self.done.add(made.id)
            parts += self._last_stage(made, facts)
        return parts

    def _last_stage(self, encoder: EncoderSpec, facts: EncoderFacts) -> Iterator[PlannedWork]:
        stage = encoder.stages[-1]
        if isinstance(stage, MultitaskSpec):
            self.multitask += 1
            yield PlannedWork("multi-task", encoder.name, multitask_work(encoder, facts))
            return
        training = encoder.to_the_end.id
        done = self.updates.get(training, 0)
        self.updates[training] = max(done, stage.last_step)
        work = measuring_work(encoder, facts)
        if stage.last_step > done:
            work += pretraining_work(encoder, facts, done)
        yield PlannedWork("pre-training", encoder.name, work)


def known_facts(name: str, revision: str | None = None) -> EncoderFacts:
    """The facts of a published encoder.

    Raises:
        StudyError: it is one of the hub that is neither in the catalogue nor in the hub's cache on this machine.
    """
    facts = encoder_facts(name, revision) or fetched_facts(name, revision)
    if facts is None:
        raise StudyError(
            f"The cost of {name} cannot be estimated before it is fetched, since its size is not known. Run a page "
            "with it first, or put it into the folder that TCSTUDY_ENCODERS names."
        )
    return facts


def total(plans: Sequence[PagePlan]) -> PagePlan:
    """All pages together."""
    counts = (sum(getattr(plan.runs, name) for plan in plans) for name in ("runs", "recorded", "shared"))
    new = tuple(run for plan in plans for run in plan.runs.new)
    pretrainings, multitask = sum(plan.pretrainings for plan in plans), sum(plan.multitask for plan in plans)
    parts = tuple(part for plan in plans for part in plan.parts)
    return PagePlan(PageRuns("total", *counts, new), pretrainings, multitask, parts)
