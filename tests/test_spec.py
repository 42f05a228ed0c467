import hypothesis.strategies as st
import pytest
from hypothesis import given

from tcstudy.errors import StudyError
from tcstudy.spec import PROTOCOLS, EncoderSpec, Protocol, RunSpec

GIVEN = {"data": {"name": "imdb", "train": 1000}, "encoder": {"name": "minilm-l6-uncased"}}


def test_canonical_json_leaves_defaults_out_and_so_does_the_identity():
    spec = RunSpec.model_validate(GIVEN)
    assert spec.canonical == '{"data":{"name":"imdb","train":1000},"encoder":{"name":"minilm-l6-uncased"}}'
    spelled_out = GIVEN | {"seed": 0, "protocol": "clean", "training": {"learning_rate": 2e-5, "epochs": 4}}
    assert RunSpec.model_validate(spelled_out).id == spec.id


def test_identity_of_a_run_never_changes():
    # sha256("1:" + the canonical JSON above), first 16 digits: records of the published study are found by it.
    assert RunSpec.model_validate(GIVEN).id == "0d7e2f6c6aad574c"


@given(
    st.fixed_dictionaries(
        {
            "window": st.fixed_dictionaries({"length": st.integers(8, 512)}),
            "training": st.fixed_dictionaries({"learning_rate": st.floats(1e-7, 1.0), "epochs": st.integers(1, 9)}),
            "protocol": st.sampled_from(sorted(PROTOCOLS)),
            "seed": st.integers(0, 2**32 - 1),
        }
    )
)
def test_a_spec_survives_json(changes):
    spec = RunSpec.model_validate(GIVEN | changes)
    again = RunSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.id == spec.id


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"windw": {}}, "`windw` is not a key of RunSpec; did you mean 'window'?"),
        ({"data": {"name": "imbd"}}, "data: 'imbd' is not a data set of the catalogue; did you mean 'imdb'?"),
        ({"data": {"name": "imdb", "trian": 5}}, "data: `trian` is not a key of DataSpec; did you mean 'train'?"),
        ({"data": {"name": "imdb", "train": "5"}}, "data.train: '5' (str) is given; it should be a valid integer"),
        ({"data": {"name": "trec", "test": 501}}, "data: test asks for 501 documents, but trec has 500 to test on"),
        ({"data": {}}, "data.name is missing"),
        ({"encoder": {"name": "minilm"}}, "is not an encoder of the catalogue or of TCSTUDY_ENCODERS; did you mean"),
        ({"encoder": {"name": "owner/bert"}}, "needs `revision`, the commit to use"),
        (
            {"window": {"method": "head+tial"}},
            "window.method: 'head+tial' is not allowed here; did you mean 'head+tail'",
        ),
        ({"window": {"method": "head+tail", "length": 64, "head": 62}}, "head is 62, longer than the window"),
        ({"window": {"method": "tail-only", "head": 5}}, "`head` applies only to the method head+tail"),
        ({"window": {"length": 513}}, "window.length: 513 wordpieces are more than minilm-l6-uncased takes (512)"),
        ({"features": {"layers": [12]}}, "features.layers: layer 12 does not exist, minilm-l6-uncased has 6 layers"),
        ({"features": {"layers": [1], "pooler": True}}, "`pooler` reads the last layer, so `layers` cannot be given"),
        ({"training": {"layer_decay": 1.5}}, "training.layer_decay: 1.5 (float) is given; it should be less than"),
        ({"protocol": "relaesed"}, "protocol: 'relaesed' is not a protocol; did you mean 'released'?"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate: nan (float) is given"),
        ({"training": {"epochs": True}}, "training.epochs: True (bool) is given; it should be a valid integer"),
        ({"seed": -1}, "seed: -1 (int) is given; it should be greater than or equal to 0"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_with_file_and_key(change, sentence):
    with pytest.raises(StudyError) as error:
        RunSpec.parse(GIVEN | change, "a.yaml")
    assert str(error.value).startswith("a.yaml: ")
    assert sentence in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_numbers_that_yaml_takes_for_text_are_numbers():
    assert RunSpec.model_validate(GIVEN | {"training": {"learning_rate": "2e-5"}}).training.learning_rate == 2e-5


def test_variant_changes_what_is_named_and_validates_it():
    spec = RunSpec.model_validate(GIVEN)
    changed = spec.variant({"window.method": "head+tail", "protocol": PROTOCOLS["released"], "seed": 3})
    assert (changed.window.method, changed.protocol.optimizer, changed.seed) == ("head+tail", "bertadam", 3)
    assert changed.data == spec.data
    with pytest.raises(StudyError, match=r"window\.length"):
        spec.variant({"window.length": 4})


def test_protocols_are_values():
    assert Protocol() == PROTOCOLS["clean"]
    assert RunSpec.model_validate(GIVEN | {"protocol": {"selection": "test"}}).protocol.optimizer == "adamw"


def test_facts_of_a_local_encoder_are_read_from_its_config():
    given = {"data": {"name": "imdb"}, "encoder": {"name": "tiny"}, "window": {"length": 64}}
    assert RunSpec.model_validate(given).window.length == 64
    with pytest.raises(StudyError, match="65 wordpieces are more than tiny takes"):
        RunSpec.parse(given | {"window": {"length": 65}}, "a.yaml")
    with pytest.raises(StudyError, match="layer 2 does not exist, tiny has 2 layers: 0 to 1"):
        RunSpec.parse(given | {"features": {"layers": [2]}}, "a.yaml")


@pytest.mark.parametrize("name", ["../tiny", "/etc", "tiny/..", ".", ""])
def test_an_encoder_cannot_be_a_path(name):
    with pytest.raises(StudyError, match="is not an encoder of the catalogue"):
        RunSpec.parse(GIVEN | {"encoder": {"name": name, "revision": "0" * 40}}, "a.yaml")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's cache on this machine, and nobody to ask."""
    from huggingface_hub import constants

    from tcstudy.catalog.encoders import commit_of

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    commit_of.cache_clear()
    yield tmp_path / "hub"
    commit_of.cache_clear()


def test_a_branch_is_taken_for_its_commit_which_is_what_is_hashed(hub):
    refs = hub / "models--owner--bert" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("1" * 40)
    moving = EncoderSpec(name="owner/bert", revision="main")
    assert moving == EncoderSpec(name="owner/bert", revision="1" * 40)
    assert "main" not in moving.canonical


def test_a_branch_that_nobody_knows_is_told(hub):
    with pytest.raises(StudyError, match="'main' of owner/bert is a name that can move, and the hub cannot be asked"):
        EncoderSpec.parse({"name": "owner/bert", "revision": "main"}, "a.yaml")
