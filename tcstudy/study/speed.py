"""How long work takes: on a card at an assumed share of its peak, or on this machine at a speed that is measured."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcstudy.catalog.cards import card_facts
from tcstudy.spec import RunSpec
from tcstudy.study.plan import PagePlan, known_facts
from tcstudy.study.work import Body, Work, document_tokens

UTILISATION = 0.35
"""Share of a card's peak that is assumed, in training and in prediction alike."""


@dataclass(frozen=True)
class Speed:
    """How fast a device is.

    Attributes:
        device: the name of a card, or `here`.
        training, forward: floating-point operations per second, in training and where tokens go forward only.
        update: seconds that each update of the weights takes besides.
        told: how this is known, in a sentence or two.
    """

    device: str
    training: float
    forward: float
    update: float
    told: str

    def hours(self, work: Work) -> float:
        """Hours that the device takes for `work`."""
        computing = work.training_operations / self.training + work.forward_operations / self.forward
        return (computing + work.updates * self.update) / 3600


def choose_speeds(
    plans: Sequence[PagePlan], made_for: Sequence[str | None], card: str | None = None
) -> list[Speed | None]:
    """The speed at which the hours of each page are told; None for a page with nothing to compute.

    It is that of the card that is asked for; else, where there is no GPU, that of the card that the page's profile is
    made for; else this machine's, which is measured once for all pages.

    Args:
        plans: one for each page.
        made_for: for each page the card that its profile is made for, or None.
        card: the card that is asked for, or None.

    Raises:
        StudyError: there is no such card.
    """
    if card:
        speeds = [card_speed(card) for _ in plans]
    elif any(made_for) and not has_gpu():
        speeds = [_in_place_of_a_gpu(name) if name else None for name in made_for]
    else:
        speeds = [None for _ in plans]
    working = [bool(plan.work.operations) for plan in plans]
    here = [plan for plan, works, speed in zip(plans, working, speeds, strict=True) if works and speed is None]
    measured = (
        measure_speed([run for plan in here for run in plan.runs.new if isinstance(run, RunSpec)]) if here else None
    )
    return [(speed or measured) if works else None for works, speed in zip(working, speeds, strict=True)]


def card_speed(name: str) -> Speed:
    """The speed that a card is assumed to have: `UTILISATION` of its peak.

    Raises:
        StudyError: there is no such card.
    """
    card = card_facts(name)
    reached = UTILISATION * card.peak * 1e12
    told = (
        f"Hours on {name} are GPU-hours of one {card.title} ({card.memory} GB) at an assumed {UTILISATION:.0%} of its "
        f"peak of {card.peak:g} TFLOP/s, that of dense products in {card.precision}; float32, in which runs compute "
        "unless accelerate is set up for mixed precision, takes several times as long."
    )
    return Speed(name, reached, reached, 0.0, told)


def _in_place_of_a_gpu(card: str) -> Speed:
    speed = card_speed(card)
    return replace(speed, told=f"{speed.told} No GPU is found on this machine, and the profile is made for one.")


def has_gpu() -> bool:
    """Whether runs of this process would use a GPU; loads torch only where there is a driver of one."""
    drivers = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA's, the one of Linux within Windows, AMD's
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in drivers):
        return False
    from tcstudy.training.devices import make_accelerator

    return make_accelerator().device.type != "cpu"


def measure_speed(runs: Sequence[RunSpec]) -> Speed:
    """The speed of this machine with the largest of the runs' encoders, from batches of their documents' lengths."""
    from tcstudy.training.calibrate import calibrate  # loads torch

    names = {(run.encoder.name, run.encoder.revision): run.encoder for run in runs}
    known = [(encoder, known_facts(*name)) for name, encoder in names.items()]
    encoder, facts = max(known, key=lambda pair: Body(pair[1].layers, pair[1].width, 1).forward(1))
    lengths = [round(min(document_tokens(run.data, run.window), run.window.length)) for run in runs]
    batch_size = max(run.training.batch_size for run in runs)
    timed = calibrate(encoder, facts, (min(lengths), max(lengths)), batch_size)
    small, large = timed.small, timed.large
    operations = [Body(facts.layers, facts.width, batch.longest).forward(batch.tokens) for batch in (small, large)]
    training, update = line_through(
        *((3 * o, batch.training) for o, batch in zip(operations, (small, large), strict=True))
    )
    forward = operations[1] / large.prediction
    told = (
        f"Hours here, on this machine ({timed.device}), follow from steps on {small.tokens:,} and {large.tokens:,} "
        f"tokens, timed just now with an encoder of {facts.name}'s size: {training / 1e9:,.0f} GFLOP/s in training and "
        f"{update:.2f} s for each update besides, {forward / 1e9:,.0f} GFLOP/s in prediction."
    )
    return Speed("here", training, forward, update, told)


def line_through(small: tuple[int, float], large: tuple[int, float]) -> tuple[float, float]:
    """Operations per second, and seconds besides, that two steps of (operations, seconds) agree with.

    Where noise makes the constant negative, or the larger step the quicker one, all seconds go by operations.

    >>> line_through((100, 1.5), (300, 2.5))
    (200.0, 1.0)
    """
    (few, seconds), (many, more_seconds) = small, large
    if many > few and more_seconds > seconds:
        rate = (many - few) / (more_seconds - seconds)
        if (besides := seconds - few / rate) >= 0:
            return rate, besides
    return many / more_seconds, 0.0
