"""The pages are tested by running them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

from tcstudy.experiments import EXPERIMENTS
from tcstudy.publish.pages import sockets_of
from tcstudy.publish.parameters import find_parameter_files, read_parameters
from tcstudy.settings import Settings
from tcstudy.study.store import Store

pytestmark = pytest.mark.slow

TWO = ("params/smoke/datasets.yaml", "params/smoke/long_texts.yaml")
COMMAND = [sys.executable, "-m", "tcstudy.cli"]


def tcstudy(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=900)


def records() -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in Settings.read().results.glob("*.json")}


def tables(notebook: Path) -> list[str]:
    """All Markdown outputs of a page but the last, which says when and how long."""
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.data["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})][:-1]


def test_a_launch_of_two_processes_makes_the_records_together_and_each_page_once(project):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    called = subprocess.run(
        [*launch, "-m", "tcstudy.cli", "run", "params/smoke/layer_decay.yaml"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert called.returncode == 0, called.stderr
    assert called.stderr.count("page 1 of 1: layer_decay, params") == 1
    assert called.stderr.count("page 1 of 1: layer_decay done") == 1
    assert " 0 made, " in called.stderr  # by the page, after the launch
    store = Store(Settings.read().results)
    found = [store.read(Settings.read().results / name) for name in records()]
    assert {record.provenance.processes for record in found} == {2}


def test_all_pages_run_and_the_second_time_nothing_is_trained(project):
    files = [read_parameters(path) for path in find_parameter_files([Path("params/smoke")])]
    wanted = {spec.id for file in files for spec in file.experiment.runs().values()}
    first = tcstudy("run", "params/smoke")
    assert first.returncode == 0, first.stderr
    assert f"page 1 of {len(files)}: datasets done" in first.stderr
    assert "run 2 of 12: bbc_news, head-only, seed 1: error " in first.stderr
    assert "12 runs: 12 made, 0 loaded" in first.stderr
    assert "12 runs: 0 made, 12 loaded" in first.stderr  # those of the page on hard documents
    pages = project / "_build" / "pages" / "smoke"
    assert sorted(path.stem for path in pages.iterdir()) == sorted(EXPERIMENTS)
    made, shown = records(), tables(pages / "long_texts.ipynb")
    assert {Path(name).stem for name in made} == wanted

    second = tcstudy("run", "params/smoke")
    assert second.returncode == 0, second.stderr
    assert second.stderr.count(" is up to date") == len(files)
    third = tcstudy("run", "params/smoke/long_texts.yaml", "--again")
    assert "12 runs: 0 made, 12 loaded" in third.stderr
    assert records() == made
    assert tables(pages / "long_texts.ipynb") == shown

    by_hand = project / "page.ipynb"
    jupytext.write(jupytext.read(project / "book" / "long_texts.md"), by_hand)
    papermill = [sys.executable, "-m", "papermill", str(by_hand), "out.ipynb", "-f", "params/smoke/long_texts.yaml"]
    subprocess.run(papermill, check=True, capture_output=True, timeout=900)
    assert tables(project / "out.ipynb") == shown
    assert records() == made


def test_a_page_is_executed_again_when_something_it_is_made_from_has_changed(project):
    def ended() -> str:
        return tcstudy("run", "params/smoke/layers.yaml").stderr

    assert "layers done" in ended()
    assert "layers is up to date" in ended()
    source = project / "book" / "layers.md"
    source.write_text(source.read_text().replace("# Layers", "# Other layers"))
    assert "layers done" in ended()
    parameters = project / "params" / "smoke" / "layers.yaml"
    parameters.write_text(parameters.read_text().replace("pooler: true", "pooler: false"))
    assert "layers done" in ended()
    assert "layers is up to date" in ended()
    run = next(iter(read_parameters(parameters).experiment.runs().values()))
    (Settings.read().results / f"{run.id}.json").unlink()
    assert "1 made" in ended()


def test_a_page_with_its_records_deleted_gives_the_same_numbers(project):
    page = project / "_build" / "pages" / "smoke" / "long_texts.ipynb"
    assert tcstudy("run", "params/smoke/long_texts.yaml").returncode == 0
    shown = tables(page)
    for record in Settings.read().results.glob("*.json"):
        record.unlink()
    assert tcstudy("run", "params/smoke/long_texts.yaml").returncode == 0
    assert tables(page) == shown


@pytest.mark.parametrize("page", EXPERIMENTS)
def test_a_page_runs_top_to_bottom_in_an_editor(project, page):
    """As JupyterLab runs it: in the book's folder, without papermill, a changed parameters cell."""
    import yaml

    notebook = jupytext.read(project / "book" / f"{page}.md")
    values = yaml.safe_load((project / "params" / "smoke" / f"{page}.yaml").read_text())
    [cell] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(project / "book")}}).execute()
    assert not [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]


def test_a_page_that_fails_never_looks_finished_and_does_not_stop_the_next(project):
    pages = project / "_build" / "pages" / "smoke"
    assert tcstudy("run", "params/smoke/datasets.yaml").returncode == 0
    source = project / "book" / "datasets.md"
    source.write_text(source.read_text().replace("report.catalogue()", "raise ZeroDivisionError('no such luck')"))
    ended = tcstudy("run", *TWO)
    assert ended.returncode == 1
    assert "page 1 of 2: datasets failed: ZeroDivisionError: no such luck" in ended.stderr
    assert "Pages that failed" in ended.stderr
    assert sorted(path.name for path in pages.iterdir()) == ["datasets.failed.ipynb", "long_texts.ipynb"]
    assert "was not run with params/smoke/datasets.yaml" in tcstudy("book", "--profile", "smoke").stderr
    source.write_text(source.read_text().replace("raise ZeroDivisionError('no such luck')", "report.catalogue()"))
    assert tcstudy("run", "params/smoke/datasets.yaml").returncode == 0
    assert sorted(path.name for path in pages.iterdir()) == ["datasets.ipynb", "long_texts.ipynb"]


def test_a_kernel_that_is_killed_is_told_and_what_a_killed_command_left_is_taken_away(project):
    source, pages = project / "book" / "datasets.md", project / "_build" / "pages" / "smoke"
    death = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    source.write_text(source.read_text().replace("report.catalogue()", death))
    left = pages / ".datasets.x7c2q.partial"
    left.mkdir(parents=True)
    sockets_of(left).mkdir()
    ended = tcstudy("run", "params/smoke/datasets.yaml")
    assert ended.returncode == 1
    assert "datasets failed: its process was killed, perhaps by the system for lack of memory" in ended.stderr
    assert "all records are kept, and the same command continues" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in pages.iterdir()] == ["datasets.failed.ipynb"]
    assert not sockets_of(left).exists()


def test_mistakes_of_all_files_are_told_before_any_page_runs(project):
    for page, mistake in [("datasets", "limmit: 3\n"), ("long_texts", "seedz: [1]\n")]:
        with (project / "params" / "smoke" / f"{page}.yaml").open("a") as file:
            file.write(mistake)
    ended = tcstudy("run", *TWO)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == (
        "tcstudy: params/smoke/datasets.yaml: `limmit` is not a key of Datasets; did you mean 'limit'?\n"
        "params/smoke/long_texts.yaml: `seedz` is not a key of LongTexts; did you mean 'seeds'?\n"
    )
    assert not (project / "_build").exists()


def test_a_checked_file_says_how_many_runs_it_needs(project):
    ended = tcstudy("run", "params/smoke", "--check")
    assert ended.returncode == 0
    assert "params/smoke/long_texts.yaml: valid; 12 runs, 0 recorded, 0 from earlier files" in ended.stdout
    assert "params/smoke/hard_documents.yaml: valid; 12 runs, 0 recorded, 12 from earlier files" in ended.stdout
    assert not records()


def test_a_killed_batch_goes_on_where_it_was(project):
    path = project / "params" / "smoke" / "long_texts.yaml"
    path.write_text(path.read_text().replace("epochs: 1", "epochs: 40"))
    process = subprocess.Popen([*COMMAND, "train", str(path)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not records() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = records()
    assert 0 < len(before) < 12
    ended = tcstudy("train", str(path))
    assert ended.returncode == 0
    assert f"12 runs: {12 - len(before)} made, {len(before)} loaded" in ended.stderr
    assert before.items() <= records().items()
