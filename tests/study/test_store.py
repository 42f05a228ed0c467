"""Damage to records: noticed, named, set aside; never used and never overwritten."""

import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS
from tcstudy.study import run as module
from tcstudy.study.record import SCHEMA
from tcstudy.study.run import run, run_all
from tcstudy.study.store import Damaged, Newer, Store, sealed

ANY = hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def store() -> Store:
    return Store(Settings.read().results)


@pytest.fixture
def recorded(spec):
    """A run that is recorded, and the file of its record."""
    run(spec)
    return spec, store().path(spec)


def edited(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@ANY
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_single_bit_is_noticed(recorded, place, bit):
    path = recorded[1]
    whole = path.read_bytes()
    altered = bytearray(whole)
    altered[int(place * len(whole))] ^= 1 << bit
    path.write_bytes(altered)
    try:
        assert store().read(path) == Store(path.parent).read(_with(path, whole))  # a blank for a blank
    except (Damaged, Newer):  # a version that became larger
        pass
    finally:
        path.write_bytes(whole)


def _with(path, content):
    other = path.with_name("whole.json")
    other.write_bytes(content)
    return other


@ANY
@given(st.floats(0, 1, exclude_max=True))
def test_no_part_of_a_record_is_a_record(recorded, share):
    path = recorded[1]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole.rstrip()))])
    with pytest.raises(Damaged):
        store().read(path)
    path.write_bytes(whole)


def test_a_number_that_was_changed_is_noticed_and_the_file_kept(recorded, capsys):
    spec, path = recorded
    whole = store().get(spec)
    edited(path, best_epoch=1 if whole.best_epoch != 1 else 2)
    changed = path.read_text()
    assert run(spec).test == whole.test
    assert path.with_suffix(".damaged").read_text() == changed
    assert "its digest does not match its content): set aside, and the run is made again" in capsys.readouterr().err


def test_a_record_without_its_digest_is_damaged(recorded):
    spec, path = recorded
    values = json.loads(path.read_text())
    del values["digest"]
    path.write_text(json.dumps(values))
    assert store().get(spec) is None


def test_blanks_and_the_order_of_keys_are_no_damage(recorded):
    spec, path = recorded
    record = store().get(spec)
    values = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(values.items())), indent=7))
    assert store().get(spec) == record


def test_records_made_before_there_were_digests_are_read_and_their_predictions_checked(recorded):
    spec, path = recorded
    record = store().get(spec)
    values = json.loads(path.read_text()) | {"schema_version": 1}
    del values["digest"]
    path.write_text(json.dumps(values))
    assert store().get(spec).test == record.test
    values["test"]["predicted"]["data"] = values["test"]["confidence"]["data"]  # twice as many bytes
    path.write_text(json.dumps(values))
    assert store().get(spec) is None


@pytest.mark.parametrize("changes", [{"schema_version": SCHEMA + 1}, {"semantics": SEMANTICS + 1}])
def test_a_record_of_a_newer_version_is_refused_and_left_as_it_is(recorded, changes, monkeypatch, call, tmp_path):
    spec, path = recorded
    edited(path, **changes, something="new")
    before = path.read_bytes()
    monkeypatch.setattr(module, "_make", lambda spec: pytest.fail("trained"))
    with pytest.raises(Newer, match=r"was made by a newer version of this package .* set TCSTUDY_RESULTS"):
        run(spec)
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]
    assert path.read_bytes() == before


def test_a_full_disk_leaves_no_half_record_and_those_before_intact(spec, small_disk, monkeypatch):
    disk = small_disk("16k")
    monkeypatch.setenv("TCSTUDY_RESULTS", str(disk / "runs"))
    first = run(spec)
    with pytest.raises(StudyError, match=r"The disk of .* is full. All finished work is kept: free some space"):
        run_all({seed: spec.variant({"seed": seed}) for seed in range(8)})
    whole = store().paths()
    assert 0 < len(whole) < 8
    assert all(store().read(path).test for path in whole)
    assert store().get(spec) == first
    assert not list((disk / "runs").glob("*.partial"))


def test_a_folder_that_can_only_be_read_gives_its_records_and_takes_none(recorded, small_disk, monkeypatch):
    spec, path = recorded
    record = store().get(spec)
    disk = small_disk("1m")
    (disk / path.name).write_bytes(path.read_bytes())
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    monkeypatch.setenv("TCSTUDY_RESULTS", str(disk))
    assert run(spec) == record
    with pytest.raises(StudyError, match=r"Records cannot be written to .*Read-only file system.*TCSTUDY_RESULTS"):
        run(spec.variant({"seed": 1}))


def test_a_clock_that_jumps_changes_no_result(recorded, monkeypatch):
    spec, path = recorded
    record = store().get(spec)
    path.unlink()
    jumps = iter(range(10**9, 0, -(10**5)))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    again = run(spec)
    os.utime(path, (0, 0))
    assert again.test == record.test
    assert 0 <= again.cost.training_seconds < 60
    assert store().get(spec) == again


PROGRAM = """
import sys
from tcstudy.spec import RunSpec
from tcstudy.study.run import run_all

spec = RunSpec.model_validate_json(sys.argv[1])
run_all({seed: spec.variant({"seed": seed}) for seed in map(int, sys.argv[2:])})
"""


@pytest.mark.slow
def test_two_studies_in_one_folder_share_what_both_need(spec):
    command = [sys.executable, "-c", PROGRAM, spec.model_dump_json()]
    studies = [subprocess.Popen([*command, *seeds], stderr=subprocess.PIPE, text=True) for seeds in ("012", "123")]
    told = [study.communicate(timeout=120)[1] for study in studies]
    assert [study.returncode for study in studies] == [0, 0]
    assert sum(line.count("error ") for text in told for line in text.splitlines()) >= 4
    assert len(store().paths()) == 4
    for seed in range(4):
        assert store().get(spec.variant({"seed": seed})) is not None
    assert not list(store().folder.glob("*.damaged*"))


def test_what_is_sealed_is_read_back(recorded):
    spec, path = recorded
    text = path.read_text()
    assert text == sealed(store().get(spec))
    assert len(text.splitlines()) == len(json.loads(text)) + 2, "a line for each part"


@pytest.fixture
def both(recorded, tmp_path):
    """A record, and an empty store with a published folder behind it that holds the record."""
    record, published = store().get(recorded[0]), Store(tmp_path / "published")
    published.put(record)
    return record, Store(tmp_path / "own", published=published.folder)


def test_a_published_record_is_found_and_nothing_is_written_to_its_folder(both):
    record, own = both
    before = {path: path.read_bytes() for path in own.behind.paths()}
    assert own.get(record.spec) == record
    assert own.has(record.spec)
    assert own.found_at(record.spec) == own.behind.path(record.spec)
    assert own.known_paths() == own.behind.paths()
    assert not own.folder.exists()
    own.put(record)
    assert own.found_at(record.spec) == own.path(record.spec)
    assert own.known_paths() == own.paths()
    assert {path: path.read_bytes() for path in own.behind.paths()} == before


def test_a_damaged_published_record_is_told_left_and_not_used(both, capsys):
    record, own = both
    path = own.behind.path(record.spec)
    path.write_text(path.read_text()[:100])
    assert own.get(record.spec) is None
    assert f"the published record {path} cannot be used" in capsys.readouterr().err
    assert path.exists()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_set_aside_like_a_damaged_one(recorded, kind, capsys):
    spec, path = recorded
    path.unlink()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    assert store().get(spec) is None
    assert "is no file: set aside" in capsys.readouterr().err
    assert not path.exists()
    assert run(spec).id == spec.id


@pytest.mark.parametrize("at_once", [True, False])
def test_records_that_are_deleted_under_a_running_batch_are_told(spec, monkeypatch, at_once):
    made = module._made

    def deleted(*arguments):
        for one in made(*arguments):
            if at_once:
                store().path(one).unlink()
            yield one
            store().path(one).unlink(missing_ok=True)

    monkeypatch.setattr(module, "_made", deleted)
    with pytest.raises(StudyError, match=r"1 records that were made are gone from .*: it was deleted meanwhile"):
        run_all({"one": spec})
