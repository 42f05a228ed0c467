"""The published records are those of the published study, and none of them has changed."""

from pathlib import Path

import pytest

from tcstudy.catalog.profiles import PUBLISHED
from tcstudy.publish.parameters import find_parameter_files, read_parameters
from tcstudy.spec import RunSpec
from tcstudy.study.encoders import EncoderRecord
from tcstudy.study.record import Record
from tcstudy.study.store import Damaged, Store

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


@pytest.fixture(scope="module")
def ids():
    """The ids of all runs of the published profile, and of all encoders that are made for them."""
    files = find_parameter_files([ROOT / "params" / PUBLISHED])
    runs = {run for file in files for run in read_parameters(file).experiment.runs().values()}
    made = {part for run in runs if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()}
    return {run.id for run in runs}, {encoder.id for encoder in made}


@pytest.mark.parametrize(("place", "kind"), [(0, Record), (1, EncoderRecord)], ids=["runs", "encoders"])
def test_every_record_is_of_a_run_of_the_published_study_and_unchanged(ids, place, kind):
    folder = (RESULTS, RESULTS / "encoders")[place]
    store = Store(folder, kind)
    paths = sorted(folder.glob("*.json"))
    assert paths
    assert {path.stem for path in paths} - ids[place] == set()
    for path in paths:
        record = store.read(path)  # raises where the digest in it is not that of what it says
        assert record.id == record.spec.id == path.stem


def test_a_changed_record_is_noticed(tmp_path):
    path = next(RESULTS.glob("*.json"))
    changed = tmp_path / path.name
    changed.write_text(path.read_text().replace('"training_seconds": ', '"training_seconds": 1', 1))
    with pytest.raises(Damaged, match="digest"):
        Store(tmp_path, Record).read(changed)
