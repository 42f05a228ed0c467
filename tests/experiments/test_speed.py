import json
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import pytest

from tcstudy.settings import Settings

PAGE = Path(__file__).parents[2] / "book" / "speed.md"
WORKLOAD = {"dataset": "bbc_news", "length": 16, "batch_size": 4, "steps": 2, "documents": 8, "warm_up": 4}


def timing(seconds: float) -> dict:
    counts = {"steps": 2, "tokens": 100, "padded_tokens": 125, "operations": 3000, "peak_memory_bytes": 2_000_000}
    return {"seconds": seconds} | counts


def bench(day: int, device: str, *rival: float) -> dict:
    """One comparison by hand, the package taking 2 seconds in each turn; one start; one growth."""
    turns = [{"ceiling": timing(1.0), "sides": {"tcstudy": timing(2.0), "Trainer": timing(other)}} for other in rival]
    machine = {"made": f"2026-01-0{day}T03:04:05", "package": "1", "libraries": {}, "system": "s", "device": device}
    points = [{"amount": n, "timings": [timing(n / 10)]} for n in (10, 20)]
    growth = {"name": "x", "title": "loading records", "across": "runs in a study", "points": points}
    return {
        "quick": False,
        "encoder": "tiny",
        "machine": machine | {"processors": 2},
        "comparisons": [{"name": "x", "title": "fine-tuning", "workload": WORKLOAD, "turns": turns}],
        "startups": [{"name": "help", "title": "tcstudy --help", "seconds": [0.5, 0.25, 0.75]}],
        "growths": [growth],
    }


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """All cells of the page, run one after the other as a kernel would: their names, and what they displayed."""
    (tmp_path / "params").mkdir()
    (tmp_path / "_toc.yml").touch()
    folder = Settings.read().published / "bench"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    def show(*benches: dict) -> tuple[dict, list]:
        for number, one in enumerate(benches):
            (folder / f"{number}.json").write_text(json.dumps(one))
        displayed: list = []
        names: dict = {"display": lambda *objects: displayed.extend(objects)}
        for cell in jupytext.read(PAGE).cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
        plt.close("all")
        return names, displayed

    return show


def test_ratios_are_shown_with_their_range_over_days_and_machines(shown):
    quick = bench(3, "quick", 200.0) | {"quick": True}
    names, displayed = shown(bench(1, "cpu", 4.0, 6.0), bench(2, "gpu", 3.0), quick)
    assert names["days"] == ["2026-01-01", "2026-01-02"]
    assert names["ratios"].rows == [("fine-tuning, tiny", "Trainer", "1.50", "2.00", "3.00", "2")]
    assert [row[1:] for row in names["speeds"].rows] == [
        ("tcstudy", "2026-01-01, cpu", "50 (50–50)", "50%", "20%", "2"),
        ("Trainer", "2026-01-01, cpu", "21 (17–25)", "21%", "20%", "2"),
        ("tcstudy", "2026-01-02, gpu", "50 (50–50)", "50%", "20%", "2"),
        ("Trainer", "2026-01-02, gpu", "33 (33–33)", "33%", "20%", "2"),
    ]
    assert names["shares"]["median"].tolist() == pytest.approx([0.5, 0.25])
    grown = names["panels"]["seconds by runs in a study"]["loading records"]
    assert grown[["amount", "mean"]].to_numpy().tolist() == [[10, 1], [20, 2]]
    found, *tables = displayed
    assert found.text.startswith(
        "`Trainer` as documented takes at least 1.5 times as long as this package, depending on the task. By task, the "
        "package reaches at least 50% of the machine's ceiling, `Trainer` at most 33%."
    )
    assert tables and all(table.markdown() and table.html() for table in tables)


def test_without_measurements_the_page_says_so(shown):
    names, displayed = shown()
    assert not len(names["turns"])
    found, *tables = displayed
    assert found.title == "Not measured yet"
    assert len(tables) == 4


def test_the_projects_own_file_is_shown(shown):
    own = json.loads((PAGE.parents[1] / "results" / "bench" / "bench.json").read_text())
    names, _ = shown(own)
    assert len(names["ratios"].rows) == sum(len(one["turns"][0]["sides"]) - 1 for one in own["comparisons"])
