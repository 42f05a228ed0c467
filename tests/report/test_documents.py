import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.experiments.long_texts import METHODS
from tcstudy.report import documents
from tcstudy.report.documents import SHORT, SeenText, as_written, examples
from tcstudy.spec import DataSpec, EncoderSpec, WindowSpec


def seen(text: str, length: int = 8) -> str:
    windows = [WindowSpec(method=method, length=length) for method in METHODS]
    return SeenText(text, "tech", load_vocabulary(EncoderSpec(name="tiny")), windows)._repr_html_()


def test_what_each_method_keeps_by_hand():
    page = seen("market bank film actor minister party goal team phone chip")  # ten words, six fit
    assert "<dt>head-only</dt><dd>market bank film actor minister party <i" in page
    assert "[4 wordpieces not seen]</i> minister party goal team phone chip</dd>" in page
    assert "market bank <i" in page  # head+tail keeps the first two and the last four
    assert "[4 wordpieces not seen]</i> goal team phone chip</dd>" in page
    assert "<dt>hierarchical mean, hierarchical max, hierarchical self-attention</dt>" in page
    assert "<li>market bank film actor minister party</li><li>goal team phone chip</li>" in page


def test_a_text_that_fits_is_one_row():
    page = seen("market bank")
    assert page.count("<dt>") == 1
    assert "not seen" not in page


def test_text_is_shown_and_never_interpreted():
    page = seen("<script>alert(1)</script> ```{note} market")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


class Shown(HTMLParser):
    """What a browser would make of a page: its elements, and its text with a bar between elements."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.text = set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements |= {tag, *(name for name, _ in attrs)}
        self.text += "|"

    def handle_endtag(self, tag):
        self.text += "|"

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        pytest.fail(f"a comment: {data}")


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "```{raw} html",
    "{download}`x </etc/passwd>`",
    "{include} x",
    "<!-- hidden -->",
    "</dd></details><h1>out</h1>",
    "&lt;b&gt; &amp;",
    "$x^2$ $$y$$",
    r"\(a\) \[b\] \begin{align}c\end{align} \href{javascript:alert(1)}{d}",
    "[link](javascript:alert(1))",
    "|cell|",
    "% comment",
    "(target)=",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_letter_by_letter(text):
    shown = Shown(seen(text, length=64))
    assert shown.elements <= {"details", "open", "class", "summary", "dl", "dt", "dd", "i", "style", "span", "ol", "li"}
    assert text in shown.text.replace("|", "") if "|" not in text else text in shown.text
    assert not re.search(r"\$[^|]*\$|\\[^|]", shown.text)  # no two delimiters of mathematics in one element


def test_controls_are_no_part_of_a_page():
    page = as_written("a\x00b\x1b[31m\x08\ud800 c")
    assert page.encode("utf-8")
    assert all(character.isprintable() for character in page)


@given(st.text())
def test_any_text_comes_back_out_of_html(text):
    written = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in {"Cc", "Cs"} else c for c in text)
    assert Shown(as_written(text)).text.replace("|", "") == written.replace("|", "")


def test_an_empty_text_can_be_shown():
    assert "0 wordpieces" in seen("")


IMDB = DataSpec(name="imdb", train=4, validation=2, test=4)


def test_for_texts_that_may_not_be_passed_on_stand_those_of_an_encyclopedia(monkeypatch):
    texts = ["market bank", "film actor " * 6, "goal team phone " * 30]
    monkeypatch.setattr(documents, "read_bundled", lambda facts: {"test": {"text": [texts[1], texts[2], texts[0]]}})
    windows = [WindowSpec(method="head+tail", length=512, head=128)]
    told, shorter, *shown = examples(IMDB, EncoderSpec(name="tiny"), windows)
    assert "summaries of Wikipedia's vital articles {cite:p}`wikipedia2024vital`, CC BY-SA 4.0" in told.text
    assert "None of these texts fills 512 wordpieces; below windows are 64." in shorter.text
    assert [text.text for text in shown] == texts
    assert [(window.length, window.head) for window in shown[0].windows] == [(SHORT, 16)]
    assert [text.windows for text in list(examples(IMDB, EncoderSpec(name="tiny"), [WindowSpec(length=32)]))[1:]] == [
        [WindowSpec(length=32)]
    ] * 3


def test_no_message_of_a_library_stands_in_place_of_texts(monkeypatch):
    def gone(facts):
        raise StudyError("ConnectionError: <script>")

    monkeypatch.setattr(documents, "read_bundled", gone)
    [told] = examples(IMDB, EncoderSpec(name="tiny"), [WindowSpec(length=32)])
    assert told.text == "No text could be had when this page was made."
