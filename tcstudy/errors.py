"""One clear sentence for everything a user can get wrong."""

import difflib
from collections.abc import Iterable

from pydantic import ValidationError


class StudyError(ValueError):
    """A mistake of the user's or of the machine's, told in one sentence; the command line prints it bare.

    Raised within a pydantic validator, it becomes one of the mistakes that `explain` tells.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint that ends a sentence about an unknown name.

    >>> nearest("bbc_newz", ["imdb", "bbc_news"])
    "did you mean 'bbc_news'?"
    >>> nearest("x", ["imdb", "trec"])
    'known are: imdb, trec'
    """
    known = sorted(known)
    if close := difflib.get_close_matches(str(name), known, n=1, cutoff=0.5):
        return f"did you mean '{close[0]}'?"
    return f"known are: {', '.join(known)}"


def first_line(error: Exception) -> str:
    """Kind and first line of an error that a library raised, to be quoted within a sentence."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def explain(error: ValidationError, source: str) -> str:
    """Tell what pydantic refused: one line a mistake, each with the file and the key.

    A line reads, for example, "params/smoke/long_texts.yaml: seeds.0: 'one' (str) is given; it should be a valid
    integer".
    """
    told = [detail for detail in error.errors() if detail["type"] != "too_short" or not detail["input"]]
    return "\n".join(_sentence(detail, source) for detail in told)  # a list of wrong items is not too short as well


def _sentence(detail: dict, source: str) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    where = f"{source}: {key}: " if key else f"{source}: "
    given = detail["input"]
    match detail["type"]:
        case "value_error":
            return where + str(detail["ctx"]["error"])
        case "literal_error":
            known = [choice.strip("' ") for choice in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return f"{where}{given!r} is not possible here; {nearest(str(given), known)}"
        case "missing":
            return f"{source}: {key} is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{where}a mapping of keys to values is expected here, not {given!r}"
        case "too_short":
            return f"{where}at least one is needed here"
        case _:
            wanted = detail["msg"].replace("Input should be", "it should be").replace("tuple", "list")
            return f"{where}{given!r} ({type(given).__name__}) is given; {wanted}"
