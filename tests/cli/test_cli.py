import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import tcstudy
from tcstudy.settings import Settings

FILE = Path(__file__).parents[2] / "params" / "smoke" / "long_texts.yaml"


def test_the_version(call):
    assert call("--version") == (0, f"tcstudy {tcstudy.__version__}\n", "")


@pytest.mark.parametrize("command", [["run"], ["train"], ["plan"], ["results", "list"]])
def test_help_names_the_environment_variables(call, command):
    assert "TCSTUDY_RESULTS" in call(*command, "--help").out


@pytest.mark.parametrize(
    ("executor", "sentence"),
    [
        ("locl", "'locl' is not an executor; did you mean 'local'?"),
        ("local:many", "'local:many' is not an executor"),
        ("local:0", "'local:0' is not an executor"),
        ("inline:2", "'inline:2' is not an executor"),
        ("parsl", "'parsl' is not an executor"),
        ("parsl:none.py", "none.py is missing"),
    ],
)
def test_an_executor_that_does_not_exist_is_told_before_anything_runs(call, executor, sentence):
    ended = call("run", FILE, "--executor", executor)
    assert ended.status == 2
    assert ended.err.startswith(f"tcstudy: {sentence}")


def test_a_folder_of_texts_that_does_not_exist_is_no_mistake_of_a_parameter_file(call, tmp_path):
    ended = call("run", FILE, "--data", tmp_path / "none")
    assert ended == (2, "", f"tcstudy: TCSTUDY_DATA names {tmp_path / 'none'}, which is not a folder.\n")


def test_an_executor_that_cannot_be_opened_is_told_before_anything_runs(call, tmp_path, monkeypatch):
    (tmp_path / "cluster.py").write_text("config = 'of nothing'\n")
    (tmp_path / "long_texts.yaml").write_text("data: [{name: bbc_news}]\nencoder: {name: tiny}\nwindow: {length: 16}\n")
    monkeypatch.chdir(tmp_path)
    for name in ("run", "train"):
        ended = call(name, "long_texts.yaml", "--executor", "parsl:cluster.py")
        told = f"tcstudy: {tmp_path / 'cluster.py'}: `config` should be a parsl.config.Config, not a str.\n"
        assert ended == (2, "", told)
    monkeypatch.setitem(sys.modules, "parsl.config", None)  # as where Parsl is not installed
    assert call("train", "long_texts.yaml", "--executor", "local").err == (
        "tcstudy: The executor local needs Parsl: pip install 'tcstudy[cluster]', or in a clone make dev\n"
    )


@pytest.mark.parametrize("name", ["train", pytest.param("run", marks=pytest.mark.slow)])
def test_ctrl_c_says_that_all_is_kept_and_how_to_go_on(name, tmp_path):
    text = (
        "data: [{name: bbc_news, train: 40, validation: 20, test: 30}]\nencoder: {name: tiny}\nwindow: {length: 16}\n"
    )
    path = tmp_path / "long_texts.yaml"
    path.write_text(text + "methods: [head-only]\ntraining: {epochs: 2000, batch_size: 8}\n")
    log = tmp_path / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "tcstudy.cli", name, str(path)]
        # a shell in the background has its children ignore Ctrl-C
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, stderr=file, cwd=tmp_path, start_new_session=True, preexec_fn=heard)
        state = Settings.read().results / "locks"
        end = time.monotonic() + 120
        while not (state.exists() and any(state.iterdir())) and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 130
    last = log.read_text().splitlines()[-1]
    assert last == "tcstudy: interrupted: all records are kept, and running the same command again continues from here"
    assert "Traceback" not in log.read_text()


def test_a_check_writes_no_parameter_files(call, tmp_path):
    file = Path(__file__).parents[2] / "params" / "smoke" / "layers.yaml"
    called = call("run", file, "--set", "seeds=[0]", "--as", tmp_path / "mine", "--check")
    assert (called.status, (tmp_path / "mine").exists()) == (0, False)
