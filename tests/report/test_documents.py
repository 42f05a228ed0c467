from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.experiments.long_texts import METHODS
from tcstudy.report.documents import SeenText
from tcstudy.spec import EncoderSpec, WindowSpec


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


def test_an_empty_text_can_be_shown():
    assert "0 wordpieces" in seen("")
