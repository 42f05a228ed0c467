"""Records looked at together: listed, verified, compared; and that nothing is changed by looking."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tcstudy.corpora.report import DataReport, SplitReport
from tcstudy.errors import StudyError
from tcstudy.settings import Settings
from tcstudy.spec import SEMANTICS, EncoderSpec, MultitaskSpec, RunSpec
from tcstudy.study.encoders import make_encoder
from tcstudy.study.record import SCHEMA, Cost, LearningCurve, Predictions, Provenance, Record
from tcstudy.study.results import Place, chosen, compare, failed, read_all, verify
from tcstudy.study.store import Store

LABELS = np.arange(10) % 2
SPLIT = SplitReport(rows=10, official_rows=10, digest="0", copy_known_as="made up")


def made(spec: RunSpec, wrong: int | None = 0, confidence: float = 0.9, digest: str = "d", **data: object) -> Record:
    """The record of a run on ten test documents, of which the first `wrong` are wrong; None did not converge."""
    test = None
    if wrong is not None:
        predicted = np.where(np.arange(10) < wrong, 1 - LABELS, LABELS)
        test = Predictions.pack(LABELS, np.where(np.eye(2)[predicted] == 1, confidence, 1 - confidence), np.full(10, 5))
    counts = {"repeated_in_train": 0, "repeated_in_test": 0, "removed_from_train": 0, "validation_texts_in_train": 0}
    report = {"origin": "local folder", "train": SPLIT, "test": SPLIT, **counts}
    used = {"used_train": 40, "used_validation": 20, "used_test": 10}
    return Record(
        semantics=SEMANTICS,
        id=spec.id,
        spec=spec,
        outcome="diverged" if test is None else "finished",
        curve=LearningCurve(steps=(), losses=(), epochs=()),
        test=test,
        cost=Cost(training_seconds=1, evaluation_seconds=1, steps=1, tokens=1, padded_tokens=1, peak_memory_bytes=0),
        data=DataReport.model_validate(report | used | data),
        provenance=Provenance(
            made="2026-01-02T03:04:05+00:00",
            package="0",
            python="3",
            libraries={},
            system="Linux",
            device="cpu",
            processes=1,
            encoder_digest=digest,
        ),
    )


@pytest.fixture
def store() -> Store:
    return Store(Settings.read().results)


@pytest.fixture
def neighbours(spec):
    """The run with other seeds."""
    return [spec.variant({"seed": seed}) for seed in range(4)]


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_kind_of_file_has_its_finding_and_stays_as_it_is(store, neighbours):
    for run in neighbours:
        store.put(made(run))
    whole, other_name, cut, newer = map(store.path, neighbours)
    other_name.rename(store.folder / f"{'0' * 16}.json")
    cut.write_text(cut.read_text()[:-30])
    newer.write_text(json.dumps(json.loads(newer.read_text()) | {"schema_version": SCHEMA + 1}))
    (store.folder / "folder.json").mkdir()
    before = content(store.folder)
    records, findings = read_all(store)
    assert [record.id for record in records] == [whole.stem]
    assert {(finding.subject, finding.state) for finding in findings} == {
        (f"{'0' * 16}.json", "fail"),
        (cut.name, "fail"),
        (newer.name, "warn"),
        ("folder.json", "fail"),
    }
    told = {finding.subject: finding.sentence for finding in findings}
    assert f"the record of {other_name.stem} under another name" in told[f"{'0' * 16}.json"]
    assert "it is not used, and will be made again" in told[cut.name]
    assert "newer version" in told[newer.name]
    assert content(store.folder) == before


def test_a_record_of_an_encoder_that_is_not_here_is_whole_and_not_understood(store, spec, monkeypatch, tmp_path):
    store.put(made(spec))
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path))
    records, [finding] = read_all(store)
    assert not records
    assert finding.state == "warn"
    assert "is intact, but cannot be understood here" in finding.sentence
    assert not failed(verify(Settings.read()))


def test_a_missing_folder_is_told(store):
    with pytest.raises(StudyError, match="is not a folder of records"):
        read_all(store)


def test_records_are_chosen_by_page_data_set_and_letters_of_their_variant(spec):
    other = spec.variant({"data": {"name": "rotten_tomatoes"}})
    nowhere = spec.variant({"seed": 9})
    places = {
        spec.id: [Place("layers", "All, mean"), Place("long_texts", "head-only")],
        other.id: [Place("long_texts", "head+tail")],
    }
    records = [made(run) for run in (spec, other, nowhere)]

    def found(*asked):
        return {(one.record.id, one.places) for one in chosen(records, places, *asked)}

    everything = {(spec.id, tuple(places[spec.id])), (other.id, tuple(places[other.id])), (nowhere.id, ())}
    assert found() == everything
    assert found("layers") == {(spec.id, (Place("layers", "All, mean"),))}
    assert found("long_texts", "rotten_tomatoes") == {(other.id, (Place("long_texts", "head+tail"),))}
    assert found(None, "bbc_news") == everything - {(other.id, tuple(places[other.id]))}
    assert found(None, None, "MEAN") == {(spec.id, (Place("layers", "All, mean"),))}
    assert found("layers", None, "head") == set()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"outcome": "diverged"}, "It says diverged, which does not match its predictions"),
        ({"test": None}, "It says finished, which does not match its predictions"),
        ({"data": "used_test"}, "number of predictions is not that of the tested documents"),
        ({"test": "classes"}, "It has a class that bbc_news does not have"),
    ],
)
def test_parts_that_contradict_each_other_are_found_though_the_digest_is_right(store, spec, changes, sentence):
    record = made(spec)
    if changes.get("data"):
        changes = {"data": record.data.model_copy(update={"used_test": 11})}
    if changes.get("test"):
        changes = {"test": Predictions.pack(np.full(10, 5), np.full((10, 2), 0.5), np.ones(10))}
    store.put(record.model_copy(update=changes))
    assert not read_all(store)[1]
    [found] = [check for check in verify(Settings.read()) if check.state == "fail"]
    assert found.subject == f"{spec.id}.json"
    assert sentence in found.sentence


def test_copies_that_differ_are_told(store, neighbours):
    store.put(made(neighbours[0]))
    store.put(made(neighbours[1]))
    assert [check.state for check in verify(Settings.read())] == ["ok"]
    store.put(made(neighbours[2], train=SPLIT.model_copy(update={"digest": "1"})))
    store.put(made(neighbours[3], digest="e"))
    warnings = {check.subject: check.sentence for check in verify(Settings.read()) if check.state == "warn"}
    assert "made with 2 copies that differ" in warnings["bbc_news"]
    assert "start from 2 different sets of weights" in warnings["tiny"]


def test_a_pooler_is_not_taken_for_another_copy_of_the_encoder(store, spec):
    pooled = spec.variant({"features": {"pooler": True}})
    store.put(made(spec))
    store.put(made(pooled, digest="with pooler"))
    new = made(pooled.variant({"seed": 1}), digest="with a new pooler")
    store.put(new.model_copy(update={"provenance": new.provenance.model_copy(update={"made_new": ("pooler",)})}))
    assert [check.state for check in verify(Settings.read())] == ["ok"]


def test_records_of_earlier_meanings_and_without_digests_are_counted(store, neighbours):
    for run, changes in zip(neighbours, ({}, {}, {"semantics": SEMANTICS - 1}, {"schema_version": 1}), strict=True):
        store.put(made(run).model_copy(update=changes))
    [records] = verify(Settings.read())
    assert records.sentence.startswith("4 are intact. 1 of them were made before records held a digest. 1 have an")


def test_weights_that_are_not_what_was_made_are_found(store, spec):
    store.put(made(spec))
    encoder = EncoderSpec(name="tiny").after(
        MultitaskSpec.model_validate({"tasks": [{"name": "bbc_news", "train": 8}], "training": {"epochs": 1}})
    )
    encoder = encoder.variant({"stages": [encoder.stages[0].variant({"window": {"length": 8}})]})
    make_encoder(encoder)
    assert [check.state for check in verify(Settings.read())] == ["ok", "ok"]
    weights = Settings.read().weights / encoder.id
    (weights / "model.safetensors").write_bytes(b"other")
    [found] = [check for check in verify(Settings.read()) if check.state == "fail"]
    assert f"{weights} holds a different model.safetensors than was made" in found.sentence
    weights.rename(weights.with_name("away"))
    assert not failed(checks := verify(Settings.read()))
    assert "Those of 1 encoders are not in" in checks[-1].sentence


@pytest.fixture
def two(tmp_path):
    return Store(tmp_path / "ours"), Store(tmp_path / "theirs")


def test_a_comparison_by_hand(two, neighbours):
    ours, theirs = two
    same, other, diverged, alone = neighbours
    for store, wrong in ((ours, 2), (theirs, 5)):
        store.put(made(same, 1))
        store.put(made(other, wrong))
        store.put(made(diverged, wrong if store is ours else None))
    ours.put(made(alone))
    found = compare(ours.folder, theirs.folder)
    assert {run.ours.id: run.documents for run in found.runs} == {same.id: 0, other.id: 3, diverged.id: None}
    assert {run.ours.id for run in found.runs if run.equal} == {same.id}
    assert (found.only_ours, found.only_theirs, found.findings) == (1, 0, ())


def test_two_that_did_not_converge_are_equal_and_other_documents_are_not(two, neighbours):
    ours, theirs = two
    lost, elsewhere, unsure, _ = neighbours
    for store in two:
        store.put(made(lost, None))
    ours.put(made(elsewhere))
    other = made(elsewhere).model_copy(update={"test": Predictions.pack(1 - LABELS, np.eye(2)[LABELS], np.ones(10))})
    theirs.put(other)
    ours.put(made(unsure, confidence=0.9))
    theirs.put(made(unsure, confidence=0.8))
    told = {run.ours.id: (run.documents, run.equal, run.identical) for run in compare(ours.folder, theirs.folder).runs}
    assert told == {lost.id: (0, True, True), elsewhere.id: (None, False, False), unsure.id: (0, True, False)}


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 10), st.integers(-1, 10)), max_size=4))
def test_it_does_not_matter_which_folder_is_first(tmp_path_factory, errors):
    folder = tmp_path_factory.mktemp("stores")
    given_data = {"name": "bbc_news", "train": 40, "validation": 20, "test": 30}
    run = RunSpec.model_validate({"data": given_data, "encoder": {"name": "tiny"}, "window": {"length": 16}})
    stores = Store(folder / "a"), Store(folder / "b")
    for store in stores:
        store.folder.mkdir()
    for seed, each in enumerate(errors):
        for store, wrong in zip(stores, each, strict=True):
            if wrong >= 0:
                store.put(made(run.variant({"seed": seed}), wrong))
    there, back = compare(stores[0].folder, stores[1].folder), compare(stores[1].folder, stores[0].folder)
    assert {run.ours.id: run.documents for run in there.runs} == {run.ours.id: run.documents for run in back.runs}
    assert (there.only_ours, there.only_theirs) == (back.only_theirs, back.only_ours)
    by_hand = [abs(one - other) for one, other in errors if min(one, other) >= 0]
    assert sorted(run.documents for run in there.runs) == sorted(by_hand)


@pytest.fixture
def project(tmp_path, monkeypatch, spec):
    """A project with two parameter files, one of which cannot be read here; the current folder is in it."""
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "params" / "smoke").mkdir(parents=True)
    given_data = [{"name": "bbc_news", "train": 40, "validation": 20, "test": 30}]
    page = {"encoder": {"name": "tiny"}, "data": given_data, "window": {"length": 16}, "methods": ["head-only"]}
    (tmp_path / "params" / "smoke" / "long_texts.yaml").write_text(yaml.safe_dump(page))
    (tmp_path / "params" / "smoke" / "layers.yaml").write_text("encoder: {name: not here}")
    monkeypatch.chdir(tmp_path)
    return spec.variant({"training": {}})  # the page's only run


def test_the_command_lists_what_is_asked_for(project, store, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    store.put(made(project, 3))
    store.put(made(project.variant({"seed": 7}), None))
    status, out, _ = call("results", "list")
    assert status == 0
    assert f"{project.id}  bbc_news  0     30.00%            long_texts: head-only" in out
    assert "did not converge  -" in out
    assert "2 of 2 records" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "1 of 2 records" in call("results", "list", "--page", "long_texts").out
    assert "0 of 2 records" in call("results", "list", "--dataset", "imdb").out
    assert "1 of 2 records" in call("results", "list", "--variant", "HEAD").out
    assert "1 of 1 records" in call("results", "list", "params/smoke/long_texts.yaml").out
    assert call("results", "list", "--page", "longtexts") == (
        2,
        "",
        "tcstudy: there is no page 'longtexts'; did you mean 'long_texts'?\n",
    )
    assert "did you mean 'bbc_news'" in call("results", "list", "--dataset", "bbc").err
    assert "is not a folder of records" in call("results", "list", "--results", "elsewhere").err


def test_the_command_verifies_and_names_the_file(project, store, call):
    store.put(made(project))
    assert call("results", "verify").status == 0
    path = store.path(project)
    path.write_text(path.read_text().replace('"d"', '"e"'))
    status, out, err = call("results", "verify")
    assert (status, err) == (1, "")
    assert path.name in out
    assert "fail" in call("results", "list").out
    assert path.exists()


def test_records_of_the_published_study_are_looked_at_behind_ones_own(project, store, call):
    published = Store(Settings.read().published)
    published.put(made(project))
    assert "1 of 1 records" in call("results", "list").out
    store.put(made(project))
    store.put(made(project.variant({"seed": 7})))
    assert "2 of 2 records" in call("results", "list").out
    (published.folder / "broken.json").write_text("{}")
    status, out, _ = call("results", "verify")
    assert status == 1
    assert "broken.json" in out
    assert "1 of 1 records" in call("results", "list", "--results", published.folder).out


def test_the_command_compares(project, two, call):
    ours, theirs = two
    for store in two:
        store.put(made(project, 3))
    same = call("results", "compare", ours.folder, theirs.folder)
    assert same.status == 0
    assert "1 runs are in both: 1 with equal predictions (1 of them to the last bit), 0 with others" in _line(same.out)
    theirs.put(made(project, 4))
    other = call("results", "compare", ours.folder, theirs.folder)
    assert other.status == 1
    assert "1 documents" in other.out
    assert "30.00%" in other.out
    assert "40.00%" in other.out
    theirs.path(project).write_text("{}")
    assert call("results", "compare", ours.folder, theirs.folder).status == 1
    assert call("results", "compare", ours.folder, "nowhere").status == 2


def _line(text):
    return " ".join(text.split())
