import json

import pytest

from tcstudy.bench.results import OWN, Bench, Comparison, Point, Span, Timing, Turn, Workload, read_bench
from tcstudy.errors import StudyError

WORKLOAD = Workload(dataset="bbc_news", length=16, batch_size=4, steps=2, documents=8, warm_up=4)


def side(seconds: float, padded_tokens: int = 200, peak: int = 10) -> Timing:
    return Timing(
        seconds=seconds,
        steps=2,
        tokens=100,
        padded_tokens=padded_tokens,
        operations=3000,
        peak_memory_bytes=peak,
    )


@pytest.fixture
def comparison() -> Comparison:
    """Two turns by hand: 2 s beside 6 s, then 4 s beside 5 s; the ceiling is 2000, then 1000 operations a second."""
    turns = (
        Turn(ceiling=Timing(seconds=1.0, operations=2000), sides={OWN: side(2.0, 125, 30), "rival": side(6.0)}),
        Turn(ceiling=Timing(seconds=2.0, operations=2000), sides={OWN: side(4.0, 125, 20), "rival": side(5.0, 300)}),
    )
    return Comparison(name="finetune-short", title="fine-tuning, short snippets", workload=WORKLOAD, turns=turns)


def test_ratios_are_taken_turn_by_turn(comparison):
    assert comparison.ratio("rival") == pytest.approx((2.125, 1.25, 3.0))
    assert comparison.ratio(OWN) == (1, 1, 1)


def test_speeds_padding_ceiling_and_memory_by_hand(comparison):
    assert comparison.speed(OWN) == pytest.approx((37.5, 25, 50))
    assert comparison.padding(OWN) == pytest.approx(0.2)
    assert comparison.padding("rival") == pytest.approx(1 - 200 / 500)
    assert comparison.ceiling(OWN) == pytest.approx((0.75, 0.75, 0.75))  # 1500 of 2000, then 750 of 1000
    assert comparison.ceiling("rival") == pytest.approx((0.425, 0.25, 0.6))
    assert comparison.peak_memory(OWN) == 30


def test_sides_that_did_other_work_are_not_compared():
    with pytest.raises(ValueError, match="rival took 2 steps on 99 tokens, tcstudy took 2 on 100"):
        Turn(ceiling=side(1.0), sides={OWN: side(1.0), "rival": side(1.0).model_copy(update={"tokens": 99})})
    with pytest.raises(ValueError, match="no side is called tcstudy"):
        Turn(ceiling=side(1.0), sides={"rival": side(1.0)})


def test_a_span_holds_its_median():
    assert Span.of([5.0]) == (5, 5, 5)
    assert Point(amount=3, timings=(side(1.0), side(2.0), side(9.0))).seconds == (2, 1, 9)


def test_what_was_written_is_read(comparison, tmp_path):
    bench = Bench(encoder="tiny", repetitions=2).adding(comparison)
    path = tmp_path / "bench.json"
    path.write_text(bench.text())
    assert read_bench(path) == bench
    assert json.loads(path.read_text())["schema_version"] == 1


def test_no_file_is_no_measurement_and_another_file_is_told(tmp_path):
    assert read_bench(tmp_path / "bench.json") == Bench()
    path = tmp_path / "bench.json"
    path.write_text('{"comparison": []}')
    with pytest.raises(StudyError, match=r"bench.json: `comparison` is not a key of Bench; did you mean 'comparisons'"):
        read_bench(path)
    path.write_bytes(b"\xff")
    with pytest.raises(StudyError, match="cannot be read"):
        read_bench(path)
