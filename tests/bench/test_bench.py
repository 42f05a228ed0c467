"""The measurements, quick and with the tiny encoder."""

import json
import subprocess
import sys

import pytest

from tcstudy.bench.measurements import MEASUREMENTS
from tcstudy.bench.results import OWN, Bench, Timing, read_bench
from tcstudy.bench.rival import GROUPED, TRAINER, USUAL_BATCHES
from tcstudy.bench.run import measure
from tcstudy.bench.tasks import Task
from tcstudy.bench.turns import in_a_process, take_turns
from tcstudy.bench.workloads import TEXTS
from tcstudy.errors import StudyError


def test_everything_but_processes_is_measured_and_written(plan, tmp_path):
    path = tmp_path / "out" / "bench.json"
    names = ["finetune-long", "pretrain", "predict-short", "scale-documents", "scale-window", "scale-runs"]
    bench = measure(plan, names, path)
    assert read_bench(path) == bench
    assert [comparison.name for comparison in bench.comparisons] == names[:3]
    assert [comparison.sides for comparison in bench.comparisons] == [
        [OWN, TRAINER, GROUPED],
        [OWN, TRAINER],
        [OWN, TRAINER, USUAL_BATCHES],
    ]
    for comparison in bench.comparisons:
        assert len(comparison.turns) == 2
        for turn in comparison.turns:
            for timing in turn.sides.values():
                assert timing.steps == 2
                assert timing.tokens == turn.sides[OWN].tokens > 0
                assert timing.operations == turn.sides[OWN].operations > 0
                assert timing.padded_tokens >= timing.tokens
                assert timing.peak_memory_bytes > 0
    growths = {growth.name: growth for growth in bench.growths}
    assert [point.amount for point in growths["scale-tokenising"].points] == [10, 20]
    assert [point.timings[0].steps for point in growths["scale-batches"].points] == [3, 5]  # batches of 4
    assert [point.timings[0].steps for point in growths["scale-records"].points] == [2, 4]
    tokens = [point.timings[0].tokens for point in growths["scale-window"].points]
    assert 0 < tokens[0] < tokens[1]


def test_sides_take_turns(plan):
    done = []

    def spawn(task: Task, environment: dict) -> Timing:
        done.append((task.side if task.action == "predict" else "ceiling", task.seed))
        return Timing(seconds=1.0, operations=1)

    sides = {side: Task(action="predict", side=side) for side in (OWN, "b")}
    take_turns(Task(action="multiply"), sides, 2, {}, spawn, lambda line: None)
    assert done == [("ceiling", 0), (OWN, 0), ("b", 0), ("ceiling", 0), (OWN, 1), ("b", 1)]


def test_a_measurement_that_does_not_exist_is_told_before_anything_is_done(plan, tmp_path):
    with pytest.raises(StudyError, match="'finetune-lon' is not a measurement; did you mean 'finetune-long'"):
        measure(plan, ["startup", "finetune-lon"], tmp_path / "bench.json")
    assert not list(tmp_path.glob("*.json"))


def test_every_length_and_kind_has_a_measurement():
    kinds = [f"{kind}-{texts}" for kind in ("finetune", "predict") for texts in TEXTS]
    assert set(MEASUREMENTS) >= {*kinds, "pretrain", "startup"}
    assert TEXTS["long"].found() == "bbc_news"  # the tests' data folder has no IMDb


@pytest.mark.slow
def test_a_process_of_its_own_tells_its_own_memory_and_its_mistakes():
    held = bytearray(600_000_000)  # a child would inherit the count of the usual counter
    timing = in_a_process(Task(action="multiply", amount=64), {})
    assert timing.operations == 3 * 2 * 64**3
    if sys.platform == "linux":
        assert timing.peak_memory_bytes < len(held)
    with pytest.raises(StudyError, match=r"The measurement failed \(Trainer, predict\): "):
        in_a_process(Task(action="predict", side="Trainer"), {})


@pytest.mark.slow
def test_the_command_measures_in_processes_and_prints(project_folder):
    command = [sys.executable, "-m", "tcstudy.cli", "bench", "--quick", "--encoder", "tiny"]
    only = ["--only", "finetune-short", "--only", "startup"]
    ended = subprocess.run([*command, *only], capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stderr
    assert "finetune-short, turn 1 of 1: Trainer" in ended.stderr
    assert "Written: _build/bench.json" in ended.stdout
    bench = Bench.model_validate(json.loads((project_folder / "_build" / "bench.json").read_text()))
    assert bench.quick
    assert bench.comparisons[0].ratio(TRAINER).median > 0
    assert {startup.name for startup in bench.startups} == {"python", "import", "help", "page"}
    assert not list(project_folder.glob("_runs/*"))  # the page's records were made elsewhere
