"""What `tcstudy bench` found, as values, and the arithmetic of speeds, ratios and shares."""

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, ValidationError, field_validator

from tcstudy.errors import StudyError, explain, first_line
from tcstudy.value import Count, Value

SCHEMA = 1
COMMITTED = Path("results/bench/bench.json")
"""What the book shows, within the project; a folder of its own, since files beside records are taken for records."""
OWN = "tcstudy"
"""The side whose speed is divided by those of the others."""


class Span(NamedTuple):
    """Median and range of a measurement that was taken several times."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Of some values, one at least.

        >>> Span.of([3.0, 1.0, 2.0])
        Span(median=2.0, low=1.0, high=3.0)
        """
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))


class Timing(Value):
    """What a process measured of itself; what does not apply is 0 or empty.

    Attributes:
        seconds: of the measured part: no start, no loading, no warm-up.
        steps: of the optimiser, or batches predicted.
        tokens, padded_tokens: real ones, and as many as were computed.
        operations: floating-point operations that the real tokens need; of a matrix product, its own.
        peak_memory_bytes: of the whole process, on a GPU of what torch took there.
        losses: mean loss of each step, where the side tells it.
    """

    seconds: Annotated[float, Field(gt=0)]
    steps: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    operations: int = 0
    peak_memory_bytes: int = 0
    losses: Annotated[tuple[float, ...], Field(strict=False)] = ()


class Workload(Value):
    """Documents and recipe of a comparison, the same for all its sides.

    Attributes:
        dataset: a name of the catalogue.
        length: of the window, or of a pre-training's inputs, in wordpieces.
        batch_size: documents, or inputs of a pre-training, in a step.
        steps: that are measured.
        documents: drawn for it: read once, or as the text of a pre-training.
        warm_up: of them that the process handles before, in one step.
        dropout: probability.
    """

    dataset: str
    length: Count
    batch_size: Count
    steps: Count
    documents: Count
    warm_up: Count
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1


class Turn(Value):
    """One after the other: a large matrix product and each side, once.

    All sides of a turn must have done the same work: as many steps on as many real tokens.
    """

    ceiling: Timing
    sides: dict[str, Timing]

    @field_validator("sides")
    @classmethod
    def _did_the_same_work(cls, sides: dict[str, Timing]) -> dict[str, Timing]:
        if OWN not in sides:
            raise ValueError(f"no side is called {OWN}")
        for name, timing in sides.items():
            if (timing.steps, timing.tokens) != (sides[OWN].steps, sides[OWN].tokens):
                raise ValueError(
                    f"{name} took {timing.steps} steps on {timing.tokens} tokens, {OWN} took {sides[OWN].steps} on "
                    f"{sides[OWN].tokens}"
                )
        return sides


class Comparison(Value):
    """The same work done by several sides in turn."""

    name: str
    title: str
    workload: Workload
    turns: Annotated[tuple[Turn, ...], Field(strict=False, min_length=1)]

    @property
    def sides(self) -> list[str]:
        """Their names, in turn."""
        return list(self.turns[0].sides)

    def speed(self, side: str) -> Span:
        """Real tokens per second."""
        return Span.of(turn.sides[side].tokens / turn.sides[side].seconds for turn in self.turns)

    def ratio(self, rival: str) -> Span:
        """How many times as fast as `rival` the study is, turn by turn."""
        return Span.of(turn.sides[rival].seconds / turn.sides[OWN].seconds for turn in self.turns)

    def padding(self, side: str) -> float:
        """Share of the computed tokens that is padding, over all turns."""
        timings = [turn.sides[side] for turn in self.turns]
        return 1 - sum(timing.tokens for timing in timings) / sum(timing.padded_tokens for timing in timings)

    def ceiling(self, side: str) -> Span:
        """Operations of the real tokens per second, as a share of those of the matrix product of the same turn."""
        shares = []
        for turn in self.turns:
            own, product = turn.sides[side], turn.ceiling
            shares.append((own.operations / own.seconds) / (product.operations / product.seconds))
        return Span.of(shares)

    def peak_memory(self, side: str) -> int:
        """Bytes, the most of all turns."""
        return max(turn.sides[side].peak_memory_bytes for turn in self.turns)


class Startup(Value):
    """Wall-clock seconds of a process from its start to its end, again and again."""

    name: str
    title: str
    seconds: Annotated[tuple[float, ...], Field(strict=False, min_length=1)]


class Point(Value):
    """An amount of work, measured several times."""

    amount: Count
    timings: Annotated[tuple[Timing, ...], Field(strict=False, min_length=1)]

    @property
    def seconds(self) -> Span:
        """Median and range."""
        return Span.of(timing.seconds for timing in self.timings)

    @property
    def peak_memory(self) -> Span:
        """Bytes of the process, what it takes to load the libraries included."""
        return Span.of(timing.peak_memory_bytes for timing in self.timings)


class Growth(Value):
    """What different amounts of one kind of work take; `across` says of what the amounts are."""

    name: str
    title: str
    across: str
    points: Annotated[tuple[Point, ...], Field(strict=False, min_length=1)]


class Machine(Value):
    """On what was measured, and with what."""

    made: str
    package: str
    commit: str | None = None
    libraries: dict[str, str]
    system: str
    device: str
    processors: int


class Bench(Value):
    """Everything that was measured in one call, or nothing yet: then `machine` is None."""

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA)] = SCHEMA
    quick: bool = False
    encoder: str = ""
    repetitions: int = 0
    machine: Machine | None = None
    comparisons: Annotated[tuple[Comparison, ...], Field(strict=False)] = ()
    startups: Annotated[tuple[Startup, ...], Field(strict=False)] = ()
    growths: Annotated[tuple[Growth, ...], Field(strict=False)] = ()

    def adding(self, *found: Comparison | Startup | Growth) -> Self:
        """The same with what was found besides."""
        kinds: dict[str, type] = {"comparisons": Comparison, "startups": Startup, "growths": Growth}
        more: dict[str, Any] = {
            name: (*getattr(self, name), *(one for one in found if isinstance(one, kind)))
            for name, kind in kinds.items()
        }
        return self.model_copy(update=more)

    def text(self) -> str:
        """As a file holds it."""
        return self.model_dump_json(indent=1, exclude_none=True) + "\n"


def read_bench(path: Path) -> Bench:
    """What the file says; a measurement of nothing where there is no such file.

    Raises:
        StudyError: it cannot be read, or was not written by `tcstudy bench`.
    """
    if not path.exists():
        return Bench()
    try:
        return Bench.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise StudyError(explain(error, str(path)).splitlines()[0]) from None
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read ({first_line(error)}).") from None
