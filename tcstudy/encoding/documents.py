"""Documents ready for the encoder; their texts are tokenised once, and their token ids stay on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from tcstudy.encoding.tokens import Vocabulary
from tcstudy.encoding.windows import fractions
from tcstudy.spec import WindowSpec

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
