"""A launch is left for what one process does alone."""

import os

import pytest

from tcstudy.study.crew import crew, leave

LAUNCHED = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "none"}


@pytest.mark.parametrize(("rank", "stays"), [("0", True), ("1", False)])
def test_the_first_process_of_a_launch_goes_on_alone(rank, stays, monkeypatch):
    for name, value in (LAUNCHED | {"RANK": rank, "TCSTUDY_EXECUTOR": "inline"}).items():
        monkeypatch.setenv(name, value)
    assert leave() == stays
    assert not os.environ.keys() & {*LAUNCHED, "RANK"}
    assert os.environ["TCSTUDY_EXECUTOR"] == "inline"
    assert crew().size == 1


def test_without_a_launch_there_is_nothing_to_leave(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert leave()
