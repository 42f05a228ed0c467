"""What pages will cost, before anything is trained: which runs and encoders are left to be made, and their work."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tcstudy.catalog.encoders import EncoderFacts, encoder_facts, fetched_facts
from tcstudy.errors import StudyError
from tcstudy.spec import AnyRun, EncoderSpec, MultitaskSpec, RunSpec
from tcstudy.study.work import Work, measuring_work, multitask_work, pretraining_work, run_work


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
class PagePlan:
    """What a page adds to the pages before it.

    Attributes:
        runs: its runs; a bag of words, which takes seconds, adds no work.
        pretrainings, multitask: encoders to be trained for the new ones, counted with the first page that needs them.
        work: of these encoders and of the new runs. Of a further pre-training that a page before stops sooner, the
            later updates.
    """

    runs: PageRuns
    pretrainings: int
    multitask: int
    work: Work


def plan_pages(pages: Iterable[PageRuns]) -> list[PagePlan]:
    """What each page adds to those before it.

    Raises:
        StudyError: the size of an encoder is not known.
    """
    facts_of = functools.cache(known_facts)  # read from the settings' folder each time
    ledger = _Ledger()
    plans = []
    for page in pages:
        runs = [run for run in page.new if isinstance(run, RunSpec)]
        before = ledger.counts()
        work = Work()
        for encoder in dict.fromkeys(run.encoder for run in runs):
            for made in encoder.made_on_the_way():
                work += ledger.make(made, facts_of(made.name, made.revision))
        for run in runs:
            work += run_work(run, facts_of(run.encoder.name, run.encoder.revision))
        pretrainings, multitask = (now - then for now, then in zip(ledger.counts(), before, strict=True))
        plans.append(PagePlan(page, pretrainings, multitask, work))
    return plans


class _Ledger:
    """The encoders made so far: each training is made once, a further pre-training up to its latest stop."""

    def __init__(self) -> None:
        self.made: set[str] = set()
        self.multitask = 0
        self.updates: dict[str, int] = {}  # of each further pre-training, by the identity of its last encoder

    def counts(self) -> tuple[int, int]:
        """Further pre-trainings and multi-task trainings."""
        return len(self.updates), self.multitask

    def make(self, encoder: EncoderSpec, facts: EncoderFacts) -> Work:
        """Note the last stage of `encoder`; what it adds to the work so far."""
        if encoder.id in self.made:
            return Work()
        self.made.add(encoder.id)
        stage = encoder.stages[-1]
        if isinstance(stage, MultitaskSpec):
            self.multitask += 1
            return multitask_work(encoder, facts)
        training = encoder.to_the_end.id
        done = self.updates.get(training, 0)
        self.updates[training] = max(done, stage.last_step)
        work = measuring_work(encoder, facts)
        return work + pretraining_work(encoder, facts, done) if stage.last_step > done else work


def known_facts(name: str, revision: str | None = None) -> EncoderFacts:
    """The facts of a published encoder.

    Raises:
        StudyError: it is one of the hub that is neither in the catalogue nor in the hub's cache on this machine.
    """
    facts = encoder_facts(name, revision) or fetched_facts(name, revision)
    if facts is None:
        raise StudyError(
            f"What {name} costs cannot be said before it is fetched: its size is not known. Run a page of it "
            "first, or put it into the folder that TCSTUDY_ENCODERS names."
        )
    return facts


def total(plans: Sequence[PagePlan]) -> PagePlan:
    """All pages together."""
    counts = (sum(getattr(plan.runs, name) for plan in plans) for name in ("runs", "recorded", "shared"))
    new = tuple(run for plan in plans for run in plan.runs.new)
    pretrainings, multitask = sum(plan.pretrainings for plan in plans), sum(plan.multitask for plan in plans)
    return PagePlan(PageRuns("total", *counts, new), pretrainings, multitask, sum((p.work for p in plans), Work()))
