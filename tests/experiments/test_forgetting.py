import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import Forgetting
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import published

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": "imdb"}],
    "learning_rates": [2e-5, 4e-4],
    "without_bias_correction": [4e-4],
    "every": 10,
    "general_text": {"name": "dbpedia", "documents": 50},
    "heads": {"frozen": True, "nsp": False, "steps": 5},
}


def test_the_rates_of_the_paper_are_those_of_figure_2(request):
    file = read_parameters(request.config.rootpath / "params" / "paper" / "forgetting.yaml")
    variants = list(dict.fromkeys(key.variant for key in file.experiment.runs()))
    rows = published("figure-2")["row"].tolist()
    assert variants == [*rows, *(f"{row} without bias correction" for row in rows)]


def test_only_the_bias_correction_is_left_out():
    runs = Forgetting.model_validate(GIVEN).runs()
    assert len(runs) == 3
    corrected = runs[RunKey("imdb", "lr 4e-4", 0)]
    uncorrected = runs[RunKey("imdb", "lr 4e-4 without bias correction", 0)]
    assert corrected.variant({"protocol.optimizer": "adamw without bias correction"}) == uncorrected
    assert corrected.training.learning_rate == 4e-4
    assert (corrected.measures.every, corrected.measures.general_text.documents) == (10, 50)


def test_an_encoder_without_head_gets_one_and_is_not_changed():
    spec = Forgetting.model_validate(GIVEN).encoder_with_heads()
    [stage] = spec.stages
    assert spec.published.name == "minilm-l6-uncased"
    assert stage.recipe.frozen
    assert [(text.name, text.documents) for text in stage.corpus] == [("dbpedia", None)]  # the measure reads test texts
    assert Forgetting.model_validate(GIVEN | {"heads": None}).encoder_with_heads().stages == ()


@pytest.mark.parametrize("heads", [{"steps": 5}, {"frozen": True, "mlm": False}])
def test_a_head_that_changes_the_encoder_or_is_none_is_refused(heads):
    with pytest.raises(StudyError, match=r"a\.yaml: heads: only the MLM head is to be trained here"):
        Forgetting.parse(GIVEN | {"heads": heads}, "a.yaml")
