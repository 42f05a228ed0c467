import json

import numpy as np
import pytest

from tcstudy.corpora.report import DataReport
from tcstudy.experiments import LongTexts, WithinTask
from tcstudy.report import status
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS
from tcstudy.study.encoders import EncoderRecord
from tcstudy.study.record import Cost, LearningCurve, Predictions, Provenance, Record
from tcstudy.study.results import Shelf, recorded
from tcstudy.study.store import Store

DATA = [{"name": "imdb", "train": 100, "validation": 20, "test": 4}]
COST = Cost(training_seconds=1.0, evaluation_seconds=0.5, steps=3, tokens=9, padded_tokens=9, peak_memory_bytes=0)
NO_CURVE = LearningCurve(steps=(), losses=(), epochs=())


def provenance(made="2026-01-02T03:04:05+00:00", **changed):
    given = {"package": "0.1.0", "commit": "a" * 40, "python": "3.11.7", "libraries": {"torch": "2.13.0"}}
    given |= {"system": "Linux x86_64", "device": "cpu", "processes": 1, "encoder_digest": "d"}
    return Provenance.model_validate({"made": made} | given | changed)


def record_of(run, report, semantics=SEMANTICS, **changed):
    predictions = Predictions.pack(np.array([0, 1, 0, 1]), np.array([[0.9, 0.1]] * 4), np.full(4, 5))
    return Record(
        semantics=semantics,
        id=run.id,
        spec=run,
        outcome="finished",
        curve=NO_CURVE,
        test=predictions,
        cost=COST,
        data=report,
        provenance=provenance(**changed),
    )


@pytest.fixture
def long_texts():
    return LongTexts.model_validate(
        {"encoder": {"name": "tiny"}, "data": DATA, "window": {"length": 16}, "methods": ["head-only", "tail-only"]}
    )


@pytest.fixture
def report(spec):
    from tcstudy.corpora.loading import load_corpus

    found: DataReport = load_corpus(spec.data).report
    return found


@pytest.fixture
def store():
    return Store(Settings.read().results)


def age(store, run):
    """Make the stored record of `run` one of older semantics, under the name that it then had."""
    path = store.path(run)
    values = json.loads(path.read_text())
    values.pop("digest", None)
    values |= {"semantics": SEMANTICS - 1, "id": "0" * 16, "schema_version": 1}
    path.unlink()
    (path.parent / f"{'0' * 16}.json").write_text(json.dumps(values))


def test_only_what_exists_is_recorded(long_texts, report, store):
    runs = long_texts.runs()
    first, _ = runs
    store.put(record_of(runs[first], report))
    assert list(recorded(runs)) == [first]
    assert recorded(runs)[first].id == runs[first].id


def test_a_record_of_older_semantics_is_shown_as_stale_and_used_nowhere(long_texts, report, store):
    runs = long_texts.runs()
    first, second = runs
    for key in runs:
        store.put(record_of(runs[key], report))
    age(store, runs[second])
    shelf = Shelf.read()
    assert [status.is_stale(record) for record in shelf.runs] == [record.id == "0" * 16 for record in shelf.runs]
    assert list(recorded(runs)) == [first]
    experiments = {"long_texts": long_texts}
    [row] = status.pages_table(experiments, shelf, "t").rows
    assert row[1:6] == ["1 of 2", "0 of 0", "1", "1", "0"]
    text = status.state_found(experiments, shelf).text
    assert "1 of the 2 records of this profile's pages exist and are valid; 1 are stale" in text


def test_a_stale_record_that_was_made_anew_is_not_missed(long_texts, report, store):
    first, _ = long_texts.runs().values()
    store.put(record_of(first, report))
    age(store, first)
    store.put(record_of(first, report))
    [row] = status.pages_table({"long_texts": long_texts}, Shelf.read(), "t").rows
    assert row[1:5] == ["1 of 2", "0 of 0", "1", "0"]


def test_encoders_are_records_too(store):
    given = {"encoder": {"name": "tiny"}, "data": DATA, "window": {"length": 16}}
    experiment = WithinTask.model_validate(given | {"stops": [0, 10], "pretraining": {"steps": 10}})
    [made] = experiment.encoders().values()
    record = EncoderRecord(
        semantics=SEMANTICS, id=made.id, spec=made, curve=NO_CURVE, weights="w", cost=COST, provenance=provenance()
    )
    Store(store.folder / "encoders", EncoderRecord).put(record)
    shelf = Shelf.read()
    [row] = status.pages_table({"within_task": experiment}, shelf, "t").rows
    assert row[1:] == ["0 of 2", "1 of 1", "2", "0", "0", "2026-01-02", "2026-01-02"]


def test_environments_are_told_apart(long_texts, report, store):
    first, second = long_texts.runs().values()
    store.put(record_of(first, report))
    store.put(record_of(second, report, device="gpu", commit="b" * 40 + "+", made="2026-03-04T00:00:00+00:00"))
    rows = status.environments_table(status.environments(Shelf.read()), "t").rows
    assert [row[0] for row in rows] == ["A", "B"]
    assert {(row[2], row[4]) for row in rows} == {("aaaaaaaa", "cpu, Linux x86_64"), ("bbbbbbbb+", "gpu, Linux x86_64")}


def test_what_is_no_record_is_named_and_left_alone(long_texts, store):
    store.folder.mkdir(parents=True)
    path = store.folder / "note.json"
    path.write_text("{}")
    shelf = Shelf.read()
    assert list(shelf.unread) == ["note.json"]
    assert path.exists()
    assert (
        "1 files in the folder could not be read as records (note.json)"
        in status.state_found({"p": long_texts}, shelf).text
    )
