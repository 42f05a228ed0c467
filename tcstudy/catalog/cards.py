"""Graphics cards: what their vendors say they reach at most."""

from dataclasses import dataclass

from tcstudy.errors import StudyError, nearest


@dataclass(frozen=True)
class Card:
    """A card by its vendor's data sheet.

    Attributes:
        name: how the command line calls it.
        title: which variant it is, where there are several.
        peak: TFLOP/s of dense matrix products (data sheets like to print twice that, for sparse ones).
        precision: of the numbers that are multiplied; sums are in float32.
        memory: gigabytes.
    """

    name: str
    title: str
    peak: float
    precision: str
    memory: int


CARDS = {
    card.name: card
    for card in [
        Card("v100", "V100 SXM2", 125.0, "fp16", 32),
        Card("t4", "T4", 65.0, "fp16", 16),
        Card("rtx-3090", "GeForce RTX 3090", 71.0, "bf16", 24),
        Card("rtx-4090", "GeForce RTX 4090", 165.2, "bf16", 24),
        Card("l4", "L4", 121.0, "bf16", 24),
        Card("l40s", "L40S", 362.0, "bf16", 48),
        Card("a100", "A100 SXM", 312.0, "bf16", 80),
        Card("h100", "H100 SXM", 989.4, "bf16", 80),
        Card("h200", "H200 SXM", 989.4, "bf16", 141),
    ]
}


def card_facts(name: str) -> Card:
    """The row of a card.

    Raises:
        StudyError: the table has no such card.
    """
    if name not in CARDS:
        raise StudyError(f"'{name}' is not a card of the table; {nearest(name, CARDS)}")
    return CARDS[name]
