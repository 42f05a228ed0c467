import pytest

from tcstudy.corpora.text import sentences


@pytest.mark.parametrize(
    ("text", "language", "cut"),
    [
        ("It was dull. Was it? Yes!", "en", ["It was dull.", "Was it?", "Yes!"]),
        ("No full stop at all", "en", ["No full stop at all"]),
        ("他说：“来了。”我问？好！走", "zh", ["他说：“来了。”", "我问？", "好！", "走"]),
        ("没有标点", "zh", ["没有标点"]),
        (" \n ", "en", []),
        ("", "zh", []),
    ],
)
def test_texts_are_cut_where_sentences_end(text, language, cut):
    assert list(sentences([text], language)) == [cut]


def test_nothing_is_lost_and_order_is_kept():
    texts = ["One. Two three! Four", "", "Five?"]
    assert ["".join("".join(s).split()) for s in sentences(texts, "en")] == ["".join(t.split()) for t in texts]


def test_a_text_of_a_megabyte_is_cut():
    [cut] = sentences(["word " * 300_000 + "end. Last."], "en")
    assert cut[-1] == "Last."


def test_a_language_that_is_not_known_is_cut_at_the_usual_marks():
    assert list(sentences(["One. Two! Three"], "qq")) == [["One.", "Two!", "Three"]]
