from pathlib import Path

import pytest

from tcstudy.errors import StudyError
from tcstudy.settings import Settings, find_root


def test_root_is_found_from_within_the_book(tmp_path: Path):
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "params").mkdir()
    (tmp_path / "book").mkdir()
    assert find_root(tmp_path / "book") == tmp_path
    assert Settings.read({}, start=tmp_path / "book").results == tmp_path / "_runs"


def test_without_a_project_the_root_is_where_one_is(tmp_path: Path):
    assert find_root(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TCSTUDY_DATA", "nowhere", "TCSTUDY_DATA names .*nowhere, which is not a folder"),
        ("TCSTUDY_ENCODERS", "nowhere", "TCSTUDY_ENCODERS names"),
        ("TCSTUDY_MICRO_BATCH_TOKENS", "many", "is 'many', but should be a number of tokens"),
        ("TCSTUDY_MICRO_BATCH_TOKENS", "0", "is '0', but should be a number of tokens"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path, variable, value, sentence):
    with pytest.raises(StudyError, match=sentence):
        Settings.read({variable: value}, start=tmp_path)
