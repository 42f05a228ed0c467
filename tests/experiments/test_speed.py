from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import pytest

from tcstudy.bench import figures, tables
from tcstudy.bench.results import OWN, Bench, Comparison, Growth, Machine, Point, Startup, Timing, Turn, Workload
from tcstudy.experiments import Speed
from tcstudy.settings import Settings

PAGE = Path(__file__).parents[2] / "book" / "speed.md"


def timing(seconds: float) -> Timing:
    return Timing(seconds=seconds, steps=2, tokens=100, padded_tokens=125, operations=3000, peak_memory_bytes=2_000_000)


def test_it_trains_nothing():
    assert Speed.model_validate({"encoder": {"name": "tiny"}}).runs() == {}


@pytest.fixture
def bench() -> Bench:
    """One comparison with two turns, one start, one growth."""
    workload = Workload(dataset="bbc_news", length=16, batch_size=4, steps=2, documents=8, warm_up=4)
    turns = tuple(
        Turn(ceiling=timing(1.0), sides={OWN: timing(2.0), "Trainer": timing(seconds)}) for seconds in (4.0, 6.0)
    )
    machine = Machine(made="2026-01-02T03:04:05", package="1", libraries={}, system="s", device="d", processors=2)
    points = tuple(Point(amount=n, timings=(timing(n / 10),)) for n in (10, 20))
    return Bench(encoder="tiny", repetitions=2, machine=machine).adding(
        Comparison(name="finetune-long", title="fine-tuning, long reviews", workload=workload, turns=turns),
        Startup(name="help", title="tcstudy --help", seconds=(0.5, 0.25, 0.75)),
        Growth(name="scale-plan", title="planning runs", across="runs in a study", points=points),
    )


def test_tables_say_what_was_measured(bench):
    assert [row[1:] for row in tables.speeds(bench).rows] == [
        (OWN, "50", "–", "20%", "50%", "2"),
        ("Trainer", "21 (17–25)", "2.50 (2.00–3.00)", "20%", "21% (17%–25%)", "2"),
    ]
    assert tables.startups(bench).rows == [("tcstudy --help", "0.50 (0.25–0.75)")]
    assert tables.growths(bench).rows[1] == ("planning runs", "20 runs in a study", "2", "100,000", "2")
    assert tables.workloads(bench).rows[0][1] == "BBC News"
    assert tables.found(bench).title == "Measured on 2026-01-02, in 2 turns"
    assert tables.found(bench.model_copy(update={"quick": True})).kind == "warning"


def test_figures_show_what_the_tables_say(bench):
    figure, axes = plt.subplots(1, 3)
    figures.ratios(axes[0], tables.ratio_rows(bench))
    [bar] = axes[0].patches
    assert bar.get_x() + bar.get_width() == pytest.approx(2.5)
    figures.speeds(axes[1], tables.speed_rows(bench))
    assert [patch.get_width() for patch in axes[1].patches] == pytest.approx([50, 25 / 1.2], rel=1e-2)
    [(across, growths)] = tables.growths_by_amount(bench).items()
    figures.growth(axes[2], tables.growth_lines(growths, "peak_memory"), across, "megabytes", scale=1e6)
    assert axes[2].lines[0].get_xydata().tolist() == [[10, 2], [20, 2]]
    plt.close(figure)


@pytest.mark.parametrize("measured", [False, True])
def test_the_page_shows_the_projects_file_or_says_that_there_is_none(bench, measured, tmp_path, monkeypatch):
    """All its cells, run one after the other as a kernel would."""
    (tmp_path / "params").mkdir()
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    if measured:
        (tmp_path / "results" / "bench").mkdir(parents=True)
        (Settings.read().root / "results" / "bench" / "bench.json").write_text(bench.text())
    shown: list = []
    names: dict = {"display": lambda *objects: shown.extend(objects)}
    for cell in jupytext.read(PAGE).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert names["bench"].comparisons == (bench.comparisons if measured else ())
    assert len(shown) == 5
    assert all(table.markdown() and table.html() for table in shown)
    names["figure"].canvas.draw()
    plt.close("all")
