import pandas as pd
import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import Layers
from tcstudy.experiments.base import RunKey
from tcstudy.report.claims import layers_by_depth
from tcstudy.report.published import printed_errors
from tcstudy.report.stats import by_depth

GIVEN = {"encoder": {"name": "bert-base-uncased"}, "data": [{"name": "imdb"}], "seeds": [0]}


def test_with_twelve_layers_the_variants_are_the_rows_of_table_3():
    experiment = Layers.model_validate(GIVEN)
    rows = {experiment.paper_variant(row) for row in printed_errors("table-3").index.get_level_values("row")}
    variants = set(experiment.variants())
    assert rows <= variants
    assert variants - rows == {"all mean", "all max", "pooler"}


def test_with_fewer_layers_the_papers_stand_beside_those_of_the_same_share_of_the_depth():
    six = Layers.model_validate(GIVEN | {"encoder": {"name": "minilm-l6-uncased"}})
    rows = {row: six.paper_variant(row) for row in ("layer 0", "layer 1", "layer 11", "last 4 max")}
    assert rows == {
        "layer 0": "layer 0 of 12",
        "layer 1": "layer 0 of 6",
        "layer 11": "layer 5 of 6",
        "last 4 max": "last third max",
    }


def test_groups_scale_with_depth():
    twelve, six = (
        Layers.model_validate(GIVEN | {"encoder": {"name": n}}) for n in ("bert-base-uncased", "minilm-l6-uncased")
    )
    assert twelve.members("first third") == (0, 1, 2, 3)
    assert twelve.members("last third") == (8, 9, 10, 11)
    assert six.members("first third") == (0, 1)
    assert six.members("last third") == (4, 5)
    assert six.members("all") == (0, 1, 2, 3, 4, 5)
    assert Layers.model_validate(GIVEN | {"encoder": {"name": "tiny"}, "window": {"length": 8}}).members(
        "last third"
    ) == (1,)


def test_an_encoder_that_is_cut_has_the_layers_that_are_left():
    cut = Layers.model_validate(GIVEN | {"encoder": {"name": "bert-base-uncased", "layers": 3}})
    assert cut.last_layer() == "layer 2 of 3"
    assert {key.variant for key in cut.runs() if key.variant.startswith("layer ")} == {
        f"layer {layer} of 3" for layer in range(3)
    }


def test_the_last_layer_is_the_plain_model():
    experiment = Layers.model_validate(GIVEN)
    runs = experiment.runs()
    plain = runs[RunKey("imdb", "layer 11 of 12", 0)]
    assert experiment.compared() == dict.fromkeys(experiment.variants().keys() - {"layer 11 of 12"}, "layer 11 of 12")
    assert plain.canonical == '{"data":{"name":"imdb"},"encoder":{"name":"bert-base-uncased"}}'
    assert runs[RunKey("imdb", "layer 3 of 12", 0)].features.layers == (3,)
    assert len({spec.id for spec in runs.values()}) == len(runs) == 12 + 9 + 1


def test_an_encoder_of_unknown_depth_is_told():
    with pytest.raises(StudyError, match=r"a\.yaml: encoder: how many layers owner/bert has is not known"):
        Layers.parse(GIVEN | {"encoder": {"name": "owner/bert", "revision": "0" * 40}}, "a.yaml")


def test_layers_of_different_encoders_meet_at_their_relative_depth():
    ours = pd.DataFrame(
        {
            "dataset": "imdb",
            "variant": ["layer 5 of 6", "all mean", "layer 2 of 6"],
            "mean": [0.1, 0.2, 0.3],
            "low": 0.0,
            "high": 1.0,
        }
    )
    depths = {("imdb", "layer 5 of 6"): 1.0, ("imdb", "all mean"): float("nan"), ("imdb", "layer 2 of 6"): 0.5}
    assert by_depth(ours, depths)[["depth", "mean"]].to_numpy().tolist() == [[0.5, 0.3], [1.0, 0.1]]
    paper = layers_by_depth("imdb")
    assert len(paper) == 12
    assert paper.iloc[-1].tolist() == pytest.approx([1.0, 0.0542, 0.0542, 0.0542])
