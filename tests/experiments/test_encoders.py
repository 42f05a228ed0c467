import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import Encoders
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "others": [{"name": "minilm-l6-uncased", "layers": 1}],
    "data": [{"name": "bbc_news", "train": 20}, {"name": "rotten_tomatoes", "train": 20}],
    "learning_rates": [1e-4, 1e-3],
    "seeds": [0, 1],
}


def test_every_encoder_is_tried_at_every_rate():
    runs = Encoders.model_validate(GIVEN).runs()
    assert len(runs) == 2 * 2 * 2 * 2
    assert runs[RunKey("bbc_news", "minilm-l6-uncased, 1 layer, lr 1e-3", 1)].encoder.layers == 1
    assert {spec.training.learning_rate for spec in runs.values()} == {1e-4, 1e-3}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"others": [{"name": "minilm-l6-uncased"}]}, "two of the encoders are called 'minilm-l6-uncased'"),
        ({"protocol": "released"}, "`selection` must be validation"),
        ({"others": []}, "others: "),
    ],
)
def test_what_cannot_be_compared_is_told(changes, sentence):
    with pytest.raises(StudyError, match=sentence):
        Encoders.parse(GIVEN | changes, "a.yaml")


def test_in_the_profile_of_the_paper_stands_a_line_for_each_family(request):
    experiment = read_parameters(request.config.rootpath / "params" / "paper" / "encoders.yaml").experiment
    families = ("bert", "roberta", "distilbert", "electra", "deberta-v3", "modernbert", "ettin")
    for family, title in zip(families, experiment.titles.values(), strict=True):
        assert title.startswith(family)
