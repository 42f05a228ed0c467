"""Documents ready for the encoder; their texts are tokenised once, and kept on disk, memory-mapped."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tcstudy.encoding.tokens import Vocabulary
from tcstudy.encoding.windows import fractions
from tcstudy.spec import WindowSpec

if TYPE_CHECKING:
    import datasets


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


def read_documents(split: "datasets.Dataset", vocabulary: Vocabulary, window: WindowSpec) -> list[Document]:
    """Tokenise a split (columns `text`, `label`) and cut each text by `window`.

    Raises:
        StudyError: the cache folder cannot be written, or its disk is full.
    """
    return [
        Document(fractions(ids, window, vocabulary.cls, vocabulary.sep), label, len(ids))
        for ids, label in zip(_token_ids(split, vocabulary), split["label"], strict=True)
    ]


def _token_ids(split: "datasets.Dataset", vocabulary: Vocabulary) -> Iterable[list[int]]:
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

    return kept_table("tokens", name, make)["tokens"]
