"""Documents as tokenised sentences, made once for each text and vocabulary and kept on disk, memory-mapped."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
import numpy as np

from tcstudy.corpora.kept import kept_table
from tcstudy.corpora.sentences import sentences
from tcstudy.corpora.text import Texts
from tcstudy.encoding.tokens import Vocabulary

Sentence = list[tuple[int, bool]]
"""A sentence's wordpieces: token id, and whether a word begins with it."""

_FEATURES = datasets.Features(
    {
        "tokens": datasets.Sequence(datasets.Sequence(datasets.Value("int32"))),
        "begins": datasets.Sequence(datasets.Sequence(datasets.Value("bool"))),
    }
)


class Sentences:
    """Documents as token ids, sentence by sentence; documents without a word are left out.

    They are read from disk one at a time, so memory does not grow with their number.
    """

    def __init__(self, documents: datasets.Dataset) -> None:
        self._documents = documents

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, number: int) -> list[Sentence]:
        """The sentences of document `number`."""
        row = self._documents[int(number)]
        return [
            list(zip(tokens, begins, strict=True)) for tokens, begins in zip(row["tokens"], row["begins"], strict=True)
        ]

    def frequencies(self, size: int) -> np.ndarray:
        """How often each of `size` token ids occurs in all documents, shape (size,)."""
        counts = np.zeros(size, dtype=np.int64)
        for chunk in self._documents.data.column("tokens").chunks:
            counts += np.bincount(chunk.flatten().flatten().to_numpy(), minlength=size)
        return counts

    @classmethod
    def read(cls, texts: Texts, language: str, vocabulary: Vocabulary) -> "Sentences":
        """Cut and tokenise `texts`, or take what was made of the same texts before.

        Raises:
            StudyError: the cache folder cannot be written, or its disk is full.
        """
        datasets.disable_progress_bars()
        name = vocabulary.fingerprint(f"1:{language}", texts)

        def tokenised(batch: dict[str, list], rows: list[int]) -> dict[str, list]:
            chosen = [text for text, row in zip(batch["text"], rows, strict=True) if texts.chosen[row]]
            return _tokenised(chosen, language, vocabulary)

        def make(path: Path) -> None:
            texts.source.map(
                tokenised,
                with_indices=True,
                batched=True,
                batch_size=500,
                remove_columns=["text"],
                features=_FEATURES,
                cache_file_name=str(path),
                new_fingerprint=name,
            )

        return cls(kept_table("sentences", name, make))


def _tokenised(texts: Sequence[str], language: str, vocabulary: Vocabulary) -> dict[str, list]:
    columns: dict[str, list] = {"tokens": [], "begins": []}
    for cut in sentences(texts, language):
        encoded = vocabulary.tokenizer.encode_batch(cut, add_special_tokens=False)
        encoded = [sentence for sentence in encoded if sentence.ids]
        if encoded:
            columns["tokens"].append([sentence.ids for sentence in encoded])
            columns["begins"].append([list(_begins(sentence.word_ids)) for sentence in encoded])
    return columns


def _begins(words: Sequence[int | None]) -> Iterator[bool]:
    """Whether each wordpiece begins a word, from the number of the word that each belongs to."""
    before: int | None = -1
    for word in words:
        yield word is None or word != before
        before = word
