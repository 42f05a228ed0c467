"""Documents ready for the encoder, and the windows through which it sees them (Sun et al. 2019, 5.3.1).

Texts are tokenised once, without special tokens, and their token ids stay on disk. A text that fits its window is the
same under every method: one fraction that holds all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from tcstudy.encoding.tokens import Vocabulary
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


if TYPE_CHECKING:
    import datasets
    import pyarrow


@dataclass(frozen=True)
class Document:
    """A document as the encoder sees it.

    Attributes:
        fractions: token ids with special tokens, one list for each window of the text.
        label: its class.
        length: wordpieces of the whole text, without special tokens.
    """

    fractions: list[list[int]]
    label: int
    length: int

    @property
    def rows(self) -> int:
        """Rows of a batch that it takes: one for each fraction."""
        return len(self.fractions)

    @property
    def longest(self) -> int:
        """Length of its longest fraction."""
        return max(map(len, self.fractions))

    @property
    def tokens(self) -> int:
        """Real tokens in all its fractions."""
        return sum(map(len, self.fractions))


class Documents(Sequence[Document]):
    """Documents whose token ids stay on disk, memory-mapped; each is made when it is asked for.

    Args:
        tokens: ids of each whole text, without special tokens, lists of int32.
        labels: class of each.
        vocabulary, window: how texts are cut and framed.
    """

    def __init__(
        self, tokens: "pyarrow.ChunkedArray", labels: Sequence[int], vocabulary: Vocabulary, window: WindowSpec
    ) -> None:
        self._ids = [chunk.values.to_numpy() for chunk in tokens.chunks]  # views of the file
        self._offsets = [chunk.offsets.to_numpy() for chunk in tokens.chunks]
        self._begins = np.cumsum([0, *map(len, tokens.chunks)])
        self._labels = labels
        self._vocabulary = vocabulary
        self._window = window

    def __len__(self) -> int:
        return len(self._labels)

    @overload
    def __getitem__(self, number: int) -> Document: ...
    @overload
    def __getitem__(self, number: slice) -> list[Document]: ...
    def __getitem__(self, number: int | slice) -> Document | list[Document]:
        """Document `number`, or those of a slice."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        chunk = int(self._begins.searchsorted(number, side="right")) - 1
        start, end = self._offsets[chunk][number - self._begins[chunk] :][:2]
        ids = self._ids[chunk][start:end].tolist()
        framed = fractions(ids, self._window, self._vocabulary.cls, self._vocabulary.sep)
        return Document(framed, self._labels[number], len(ids))


def read_documents(split: "datasets.Dataset", vocabulary: Vocabulary, window: WindowSpec) -> Documents:
    """Tokenise a split (columns `text`, `label`), or take what was made of the same texts before.

    Raises:
        StudyError: the cache folder cannot be written, or its disk is full.
    """
    return Documents(_token_ids(split, vocabulary), list(split["label"]), vocabulary, window)


def _token_ids(split: "datasets.Dataset", vocabulary: Vocabulary) -> "pyarrow.ChunkedArray":
    """Token ids of the texts of a split, from the cache if the same texts were tokenised before."""
    import datasets  # slow, and not needed to know what a document is

    from tcstudy.corpora.kept import kept_table

    datasets.disable_progress_bars()
    name = vocabulary.fingerprint("1:whole", split["text"])

    def make(path: Path) -> None:
        split.map(
            lambda batch: {"tokens": vocabulary.encode(batch["text"])},
            batched=True,
            remove_columns=split.column_names,
            features=datasets.Features({"tokens": datasets.Sequence(datasets.Value("int32"))}),
            cache_file_name=str(path),
            new_fingerprint=name,
        )

    return kept_table("tokens", name, make).data.column("tokens")
