from tcstudy.experiments.base import RunKey
from tcstudy.experiments.encoder import BASE, PUBLISHED, Encoder
from tcstudy.spec import EncoderSpec

STAGE = {"corpus": [{"name": "general"}], "recipe": {"steps": 10, "new_heads": "word frequencies"}}
GIVEN = {"encoder": {"name": "minilm-l6-uncased", "stages": [STAGE]}, "data": [{"name": "imdb"}], "seeds": [3]}


def test_the_base_encoder_stands_beside_the_published_one():
    experiment = Encoder.model_validate(GIVEN)
    runs = experiment.runs()
    assert runs[RunKey("imdb", PUBLISHED, 3)].encoder == EncoderSpec(name="minilm-l6-uncased")
    assert runs[RunKey("imdb", BASE, 3)].encoder == experiment.encoder
    assert experiment.general_stages() == [experiment.encoder]


def test_a_published_encoder_stands_alone():
    experiment = Encoder.model_validate(GIVEN | {"encoder": {"name": "bert-base-uncased"}})
    assert {key.variant for key in experiment.runs()} == {PUBLISHED}
    assert experiment.compared() == {}
    assert experiment.general_stages() == []
