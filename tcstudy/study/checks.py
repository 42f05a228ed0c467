"""What a check finds: whether all is well with something, and a sentence about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        state: all is well; something should be known; something is wrong.
        subject: what was looked at.
        sentence: what was found.
    """

    state: State
    subject: str
    sentence: str


def failed(checks: Iterable[Check]) -> bool:
    """Whether something is wrong."""
    return any(check.state == "fail" for check in checks)
