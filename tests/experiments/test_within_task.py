import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import WithinTask
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import published

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": "imdb"}, {"name": "trec"}],
    "stops": [0, 300, 600],
    "pretraining": {"steps": 600},
}


def test_the_point_that_the_paper_prints_is_one_of_its_stops(request):
    file = read_parameters(request.config.rootpath / "params" / "paper" / "within_task.yaml")
    assert set(published("figure-3")["row"]) < {key.variant for key in file.experiment.runs()}


def test_stops_are_of_one_pretraining():
    experiment = WithinTask.model_validate(GIVEN)
    half, whole = (experiment.encoder_after("imdb", stop) for stop in (300, 600))
    assert half.stages[0].model_copy(update={"stop": None}) == whole.stages[0]
    assert (half.stages[0].last_step, whole.stages[0].last_step) == (300, 600)
    assert [text.name for text in half.stages[0].corpus] == ["imdb"]
    assert set(experiment.encoders()) == {("imdb", 300), ("imdb", 600), ("trec", 300), ("trec", 600)}


def test_no_steps_are_the_plain_run_and_all_steps_the_usual_encoder():
    experiment = WithinTask.model_validate(GIVEN)
    runs = experiment.runs()
    assert len(runs) == len({spec.id for spec in runs.values()}) == 6
    plain = runs[RunKey("imdb", "0 steps", 0)]
    assert plain.canonical == '{"data":{"name":"imdb"},"encoder":{"name":"minilm-l6-uncased"}}'
    assert runs[RunKey("imdb", "600 steps", 0)].encoder == experiment.pretrained_on(["imdb"])


def test_a_stop_behind_the_end_is_told():
    with pytest.raises(StudyError, match=r"a\.yaml: stops: 700 steps are more than pretraining\.steps, 600"):
        WithinTask.parse(GIVEN | {"stops": [700]}, "a.yaml")
