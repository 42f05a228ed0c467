"""What can go, and that nothing else goes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tcstudy.files import hold
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, MultitaskSpec, PretrainingSpec
from tcstudy.study.encoders import encoder_store, make_encoder
from tcstudy.study.pruning import prunable, prune
from tcstudy.study.record import SCHEMA
from tcstudy.study.run import run
from tcstudy.study.store import Store

RECIPE = {"steps": 4, "batch_size": 4, "length": 16, "learning_rate": 1e-3}
TASK = {"name": "bbc_news", "train": 8, "validation": 8, "test": 8}


def pretrained(stop: int | None = None) -> EncoderSpec:
    given = {"corpus": [{"name": "bbc_news"}], "recipe": RECIPE, "stop": stop}
    return EncoderSpec(name="tiny").after(PretrainingSpec.model_validate(given))


def results() -> Path:
    return Settings.read().results


def weights() -> Path:
    return Settings.read().weights


def found(needed=None) -> dict[str, str]:
    """What can go besides locks, and why, by its place."""
    items = [item for item in prunable(Settings.read(), needed) if item.path.parent.name != "locks"]
    return {f"{item.path.parent.name}/{item.path.name}": item.why for item in items}


def everything() -> set[Path]:
    folder = results().parent
    return {path for name in ("runs", "weights") for path in (folder / name).rglob("*") if path.parent.name != "locks"}


@pytest.fixture
def recorded(spec):
    """A run that is recorded."""
    run(spec)
    return spec


def test_nothing_that_is_whole_can_go(recorded):
    run(recorded.variant({"encoder": pretrained()}))
    before = everything()
    assert not found()
    prune(prunable(Settings.read()))
    assert everything() == before


def test_no_folders_hold_nothing():
    assert prunable(Settings.read(), []) == []


def test_what_was_set_aside_or_left_half_written_can_go_and_all_else_stays(recorded):
    make_encoder(pretrained())
    keep = everything()
    for path in (
        results() / "a.damaged",
        results() / "tmp1.partial",
        results() / "encoders" / "b.damaged-2",
        weights() / "c.damaged" / "model.safetensors",
        weights() / "d.0.partial" / "encoder" / "model.safetensors",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    for path in (results() / "notes.txt", weights() / "my.damaged.copy", results() / "partial"):
        path.write_text("the user's own")
        keep.add(path)
    assert found() == {
        "runs/a.damaged": "set aside as damaged",
        "runs/tmp1.partial": "left half written",
        "encoders/b.damaged-2": "set aside as damaged",
        "weights/c.damaged": "set aside as damaged",
        "weights/d.0.partial": "left half written",
    }
    assert {item.size for item in prunable(Settings.read()) if item.path.parent.name != "locks"} == {5}
    prune(prunable(Settings.read()))
    assert everything() == keep


def test_what_no_file_needs_can_go_if_that_is_asked_for(recorded):
    other = recorded.variant({"seed": 1})
    run(other)
    path = Store(results()).path(other)
    assert found([recorded, other]) == {}
    assert found([recorded]) == {f"runs/{path.name}": "a record that no file needs"}
    prune(prunable(Settings.read(), [recorded]))
    assert not path.exists()
    assert Store(results()).get(recorded)


def test_a_record_that_is_not_understood_here_stays(recorded):
    path = Store(results()).path(recorded)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": SCHEMA + 1}))
    assert found([]) == {}
    path.write_text("no record")
    assert found([]) == {}  # it is set aside, with a word about it, when a run asks for it


def test_nothing_goes_of_the_published_study(recorded, monkeypatch):
    make_encoder(pretrained())
    published = Settings.read().published
    results().rename(published)
    (published / "x.damaged").touch()
    assert set(found([])) == {f"weights/{pretrained().id}"}
    monkeypatch.setenv("TCSTUDY_RESULTS", str(published))  # unless it is named as one's own
    assert set(found([])) > {f"published/{recorded.id}.json", "published/x.damaged"}


def test_encoders_on_the_way_to_a_needed_one_stay(spec):
    both = pretrained().after(MultitaskSpec.model_validate({"tasks": [TASK], "window": {"length": 16}}))
    for encoder in (both, pretrained(stop=2)):
        make_encoder(encoder)
    (weights() / f"{both.id}.state").write_text("of another training")
    (weights() / f"{pretrained().id}.state").write_text("of the training to the end")
    unneeded = {
        f"encoders/{pretrained(stop=2).id}.json": "a record that no file needs",
        f"weights/{pretrained(stop=2).id}": "an encoder that no file needs",
    }
    assert found([spec.variant({"encoder": both})]) == unneeded
    only_early = found([spec.variant({"encoder": pretrained(stop=2)})])
    assert {name for name in only_early if name.startswith("weights")} == {
        f"weights/{both.id}",
        f"weights/{pretrained().id}",
        f"weights/{both.id}.state",
    }
    prune(prunable(Settings.read(), [spec.variant({"encoder": both})]))
    assert not make_encoder(both)
    assert encoder_store().get(pretrained(stop=2)) is None


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path):
    far = tmp_path / "far"
    far.mkdir()
    (far / "model.safetensors").write_bytes(b"1")
    weights().mkdir()
    (weights() / f"{'a' * 16}").symlink_to(far)
    assert found([]) == {f"weights/{'a' * 16}": "an encoder that no file needs"}
    prune(prunable(Settings.read(), []))
    assert not (weights() / f"{'a' * 16}").exists()
    assert (far / "model.safetensors").read_bytes() == b"1"


HOLDER = """
import sys
from pathlib import Path
from tcstudy.files import hold
with hold(Path(sys.argv[1]), "Things", "TCSTUDY_X"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held():
    """Has another process hold a lock while the test runs."""
    holders = []

    def held(lock: Path) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLDER, str(lock)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert holder.stdout.readline() == "held\n"
        holders.append(holder)
        return holder

    yield held
    for holder in holders:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()


def test_while_something_is_made_nothing_half_written_can_go(recorded, held):
    make_encoder(pretrained())
    (results() / "encoders" / "tmp.partial").touch()
    free = results() / "locks" / recorded.id
    lock = weights() / "locks" / ("b" * 16)
    holder = held(lock)
    left = prunable(Settings.read())
    assert free in {item.path for item in left}
    assert not {lock, results() / "encoders" / "tmp.partial"} & {item.path for item in left}
    holder.kill()
    holder.wait()
    assert {lock, results() / "encoders" / "tmp.partial"} <= {item.path for item in prunable(Settings.read())}


def test_a_lock_that_was_taken_meanwhile_stays(recorded, held):
    [item] = prunable(Settings.read())
    held(item.path)
    prune([item])
    assert item.path.exists()


def test_a_lock_that_goes_does_not_keep_anyone_from_making_the_run(recorded):
    prune(prunable(Settings.read()))
    assert not list((results() / "locks").iterdir())
    with hold(results() / "locks" / recorded.id, "Records", "TCSTUDY_RESULTS"):
        pass


def test_the_command_deletes_only_when_it_is_told_to(recorded, call, tmp_path):
    prune(prunable(Settings.read()))
    run(recorded.variant({"seed": 1}))
    (results() / "a.damaged").write_text("1")
    page = {"encoder": {"name": "tiny"}, "data": [{"name": "bbc_news"}], "methods": ["head-only"]}
    page |= {"window": {"length": 16}}
    (tmp_path / "long_texts.yaml").write_text(yaml.safe_dump(page))
    before = everything()
    status, out, _ = call("results", "prune", tmp_path / "long_texts.yaml")
    assert status == 0
    assert out.count("a record that no file needs") == 2
    assert "1 locks that nobody holds" in out
    assert "4 files or folders" in out
    assert "say --yes" in out
    assert everything() == before
    assert "2 files or folders, 1 bytes: deleted." in call("results", "prune", "--yes").out
    assert everything() == before - {results() / "a.damaged"}
    assert call("results", "prune").out == "Nothing is there that could go.\n"
    (tmp_path / "long_texts.yaml").write_text("seed: [1]")
    assert call("results", "prune", tmp_path / "long_texts.yaml", "--yes").status == 2
    assert everything() == before - {results() / "a.damaged"}
    assert "does not exist" in call("results", "prune", "no/such/file.yaml", "--yes").err
