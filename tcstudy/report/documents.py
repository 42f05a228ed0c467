"""Documents as each strategy lets the model see them; their text is shown, never interpreted."""

import html
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tcstudy.catalog.datasets import dataset_title
from tcstudy.corpora.loading import Corpus, load_corpus
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary
from tcstudy.encoding.windows import spans
from tcstudy.errors import StudyError
from tcstudy.report.tables import Notice
from tcstudy.spec import DataSpec, EncoderSpec, WindowSpec


@dataclass(frozen=True)
class SeenText:
    """One document under several windows, as HTML.

    Attributes:
        text: the document.
        label: name of its class.
        vocabulary: cuts it into wordpieces.
        windows: windows of the same length with different methods; those that keep the same parts share a row.
    """

    text: str
    label: str
    vocabulary: Vocabulary
    windows: Sequence[WindowSpec]

    def _repr_html_(self) -> str:
        offsets = self.vocabulary.offsets(self.text)
        rows: dict[str, list[str]] = {}
        for window in self.windows:
            rows.setdefault(self._seen(offsets, spans(len(offsets), window)), []).append(window.method)
        items = "".join(f"<dt>{html.escape(', '.join(methods))}</dt><dd>{seen}</dd>" for seen, methods in rows.items())
        return (
            f'<details open class="tex2jax_ignore mathjax_ignore"><summary>{as_written(self.label)}, {len(offsets)} '
            f"wordpieces: “{as_written(' '.join(self.text.split())[:60])}…”</summary><dl>{items}</dl></details>"
        )

    def _seen(self, offsets: Sequence[tuple[int, int]], fractions: Sequence[Sequence[tuple[int, int]]]) -> str:
        """What `fractions` keep, window by window, with the number of wordpieces left out between the parts."""
        boxes = []
        end = 0
        for fraction in fractions:
            pieces = []
            for start, stop in fraction:
                pieces.append(self._left_out(start - end))
                characters = self.text[offsets[start][0] : offsets[stop - 1][1]] if stop > start else ""
                pieces.append(as_written(" ".join(characters.split())))
                end = stop
            boxes.append("".join(pieces))
        if len(boxes) == 1:
            return boxes[0] + self._left_out(len(offsets) - end)
        items = "".join(f"<li>{box}</li>" for box in boxes)
        return f"<details><summary>all of it, in {len(boxes)} windows</summary><ol>{items}</ol></details>"

    @staticmethod
    def _left_out(number: int) -> str:
        return f" <i>[{number} wordpieces not seen]</i> " if number else ""


def corpus_or_reason(data: DataSpec) -> Corpus | Notice:
    """The documents of a data set, or why they cannot be shown here."""
    try:
        return load_corpus(data)
    except StudyError as error:
        return Notice("note", f"Texts of {dataset_title(data.name)}", f"They are not on this machine: {error}")


def examples(data: DataSpec, encoder: EncoderSpec, windows: Sequence[WindowSpec]) -> Iterator[SeenText | Notice]:
    """A short, a middling and a long validation document of a data set as the windows show them, or why none is here.

    Args:
        data: the set.
        encoder: whose tokenizer cuts the texts.
        windows: of the same length with different methods.
    """
    corpus = corpus_or_reason(data)
    if isinstance(corpus, Notice):
        yield corpus
        return
    vocabulary = load_vocabulary(encoder)
    by_length = sorted(corpus.validation, key=lambda document: len(document["text"]))
    for document in (by_length[0], by_length[len(by_length) // 2], by_length[-1]):
        yield SeenText(document["text"], corpus.facts.classes[document["label"]], vocabulary, windows)


def as_written(text: str) -> str:
    """`text` as HTML that shows it letter by letter.

    Besides markup, nothing in it is typeset as mathematics: its delimiters stand in elements of their own, across which
    MathJax does not read. Control characters are shown as what cannot be shown.

    >>> as_written("<b> costs $5")
    '&lt;b&gt; costs <span>$</span>5'
    """
    printable = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNSHOWN else c for c in text)
    escaped = html.escape(printable)
    for delimiter in ("$", "\\", "`"):
        escaped = escaped.replace(delimiter, f"<span>{delimiter}</span>")
    return escaped


_UNSHOWN = {"Cc", "Cs"}  # controls, halves of surrogate pairs
