"""One clear sentence for everything a user can get wrong."""

import difflib
import reprlib
from collections.abc import Iterable

from pydantic import ValidationError


class StudyError(ValueError):
    """An error of the user or the machine, in one sentence, which the command line prints without a traceback.

    Raised within a pydantic validator, it becomes one of the mistakes that `explain` reports.
    """

    def _render_traceback_(self) -> list[str]:
        """Show the sentence in a notebook instead of a traceback. Called by IPython."""
        return [f"{type(self).__name__}: {line}" for line in str(self).splitlines()]


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint that ends a sentence about an unknown name.

    >>> nearest("bbc_newz", ["imdb", "bbc_news"])
    "did you mean 'bbc_news'?"
    >>> nearest("x", ["imdb", "trec"])
    'known are: imdb, trec'
    """
    known = sorted(known)
    if close := difflib.get_close_matches(str(name)[:80], known, n=1, cutoff=0.5):
        return f"did you mean {shown(close[0])}?"
    return f"known are: {', '.join(known)}"


def first_line(error: BaseException) -> str:
    """Type and first line of a library's error, to be quoted within a sentence."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {printable(lines[0][:200])}" if lines else type(error).__name__


def printable(text: str) -> str:
    r"""`text` with terminal control characters escaped.

    >>> printable("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def shown(value: object) -> str:
    """A value as quoted in a sentence: on one line, shortened where it is long or deep.

    >>> shown("one"), shown([[[[[["deep"]]]]]]), shown("x" * 1000)[-8:]
    ("'one'", '[[[[...]]]]', "xxxxxxx'")
    """
    return printable(_SHORT.repr(value))


class _Short(reprlib.Repr):
    """Short representations, also of numbers that are too large to write out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 4, 80, 80

    def repr_int(self, value: int, level: int) -> str:
        """A whole number."""
        return f"a number of {value.bit_length()} bits" if value.bit_length() > 256 else super().repr_int(value, level)


_SHORT = _Short()
_MOST_TOLD = 20
"""The most mistakes reported for one file; more usually share one cause."""
_LONGEST = 500
"""Characters of a line."""


def explain(error: ValidationError, source: str) -> str:
    """Explain pydantic's errors: one line per mistake, each with the file and the key.

    A line reads, for example, "params/smoke/long_texts.yaml: seeds.0: 'one' (str) is given; it should be a valid
    integer".
    """
    # a list of wrong items is not too short as well
    told = [detail for detail in error.errors() if detail["type"] != "too_short" or not detail["input"]]
    lines = [_sentence(detail, source) for detail in told[:_MOST_TOLD]]
    if len(told) > _MOST_TOLD:
        lines.append(f"{source}: and {len(told) - _MOST_TOLD:,} more mistakes")
    return "\n".join(lines)


def _sentence(detail: dict, source: str) -> str:
    key = printable(".".join(str(part)[:80] for part in detail["loc"]))
    where = f"{source}: {key}: " if key else f"{source}: "
    given = detail["input"]
    match detail["type"]:
        case "value_error":
            lines = str(detail["ctx"]["error"]).splitlines()[:_MOST_TOLD] or [""]
            return "\n".join(where + printable(line[:_LONGEST]) for line in lines)
        case "literal_error":
            known = [choice.strip("' ") for choice in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return f"{where}{shown(given)} is not allowed here; {nearest(str(given), known)}"
        case "missing":
            return f"{source}: {key} is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{where}a mapping of keys to values is expected here, not {shown(given)}"
        case "too_short":
            return f"{where}at least one is needed here"
        case _:
            wanted = detail["msg"].replace("Input should be", "it should be").replace("tuple", "list")
            return f"{where}{shown(given)} ({type(given).__name__}) is given; {wanted}"
