from tcstudy.errors import first_line, nearest


def test_nearest_names_the_closest_or_all():
    assert nearest("minilm", ["bert-base-uncased", "minilm-l6-uncased"]) == "did you mean 'minilm-l6-uncased'?"
    assert nearest("zzz", ["b", "a"]) == "known are: a, b"


def test_first_line_names_the_kind():
    assert first_line(ValueError("one\ntwo")) == "ValueError: one"
    assert first_line(KeyboardInterrupt()) == "KeyboardInterrupt"
