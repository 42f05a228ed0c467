import io
import sys

import pytest

from tcstudy.training import loop
from tcstudy.training.outcome import Step


@pytest.fixture
def clock(monkeypatch):
    """A clock that a step moves on by half a second."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    return now


def steps(clock, first, last):
    for number in range(first, last + 1):
        clock[0] += 0.5
        yield Step(number=number, loss=float(number), tokens=100, padded_tokens=120)


def test_in_a_log_a_line_a_minute(clock, monkeypatch, capsys):
    monkeypatch.setenv("TCSTUDY_PROGRESS", "lines")
    passed = list(loop.shown(steps(clock, 1, 250), 1000, "imdb, seed 0"))
    assert [step.number for step in passed] == list(range(1, 251))
    assert capsys.readouterr().err.splitlines() == [
        "imdb, seed 0: step 120 of 1,000, loss 60.500, 200 tokens/s, 7 min left",
        "imdb, seed 0: step 240 of 1,000, loss 180.500, 200 tokens/s, 6 min left",
    ]


def test_on_a_terminal_a_line_is_written_over_and_taken_away(clock, monkeypatch):
    monkeypatch.delenv("TCSTUDY_PROGRESS", raising=False)
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    assert len(list(loop.shown(steps(clock, 101, 104), 110, "x", done=100))) == 4
    *lines, end = terminal.getvalue().split("\r")
    assert [line.rstrip() for line in lines] == [
        "x: step 102 of 110, loss 101.500, 200 tokens/s, 4 s left",
        "x: step 104 of 110, loss 103.500, 200 tokens/s, 3 s left",
        "",
    ]
    assert end == ""


def test_a_training_that_fails_takes_its_line_away(clock, monkeypatch, capsys):
    monkeypatch.setenv("TCSTUDY_PROGRESS", "over")

    def failing():
        yield from steps(clock, 1, 3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(loop.shown(failing(), 10, "x"))
    assert capsys.readouterr().err.endswith(" \r")


def test_only_the_first_of_several_processes_shows_it(clock, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    assert len(list(loop.shown(steps(clock, 1, 250), 1000, "x"))) == 250
    assert not capsys.readouterr().err
