"""Windows: which wordpieces of a long text an encoder sees (Sun et al. 2019, 5.3.1).

All of it works on token ids made without special tokens. A text that fits its window is the same under every method:
one fraction that holds all of it.
"""

from collections.abc import Sequence

from tcstudy.errors import StudyError, shown
from tcstudy.spec import WindowSpec
from tcstudy.spec.extensions import extension


def spans(length: int, window: WindowSpec) -> list[list[tuple[int, int]]]:
    """The half-open spans of a text of `length` wordpieces that each fraction keeps.

    The truncations keep one fraction: the first, the last, or the first `window.head_content` and the last of the
    rest. The hierarchical methods cut the whole text into fractions of `window.content` wordpieces, the last one
    shorter; the paper's k = L / 510, rounded up.

    >>> spans(10, WindowSpec(method="head+tail", length=8, head=2))
    [[(0, 2), (6, 10)]]
    >>> spans(10, WindowSpec(method="hierarchical mean", length=8))
    [[(0, 6)], [(6, 10)]]
    """
    content = window.content
    if length <= content:
        return [[(0, length)]]
    match window.method:
        case "head-only":
            return [[(0, content)]]
        case "tail-only":
            return [[(length - content, length)]]
        case "head+tail":
            return [[(0, window.head_content), (length - (content - window.head_content), length)]]
        case method if method.startswith("hierarchical"):
            return [[(start, min(start + content, length))] for start in range(0, length, content)]
        case method:
            return _checked(extension("window", method)(length, window), length, window)


def _checked(
    found: Sequence[Sequence[tuple[int, int]]], length: int, window: WindowSpec
) -> list[list[tuple[int, int]]]:
    """The spans of a method of one's own.

    Raises:
        StudyError: they are not within the text, or too long for the window.
    """
    spans = [[(int(start), int(end)) for start, end in fraction] for fraction in found]
    inside = all(0 <= start < end <= length for fraction in spans for start, end in fraction)
    fits = all(0 < sum(end - start for start, end in fraction) <= window.content for fraction in spans)
    if not spans or not inside or not fits:
        raise StudyError(
            f"The window {window.method} keeps {shown(spans)} of {length:,} wordpieces: each fraction is a list of "
            f"spans within the text, of {window.content} wordpieces together at most."
        )
    return spans


def fractions(ids: Sequence[int], window: WindowSpec, cls: int, sep: int) -> list[list[int]]:
    """Cut the wordpieces of one text into the fractions that the encoder sees.

    Args:
        ids: token ids of the whole text, without special tokens.
        window: method and length.
        cls, sep: ids of the tokens set before and after each fraction.

    Returns:
        One list of at most `window.length` ids for each fraction; a truncation has exactly one.

    >>> fractions(range(10, 20), WindowSpec(method="head+tail", length=8, head=2), cls=1, sep=2)
    [[1, 10, 11, 16, 17, 18, 19, 2]]
    """
    return [
        [cls, *(token for start, end in parts for token in ids[start:end]), sep] for parts in spans(len(ids), window)
    ]
