import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import ReleasedProtocol
from tcstudy.experiments.base import RunKey
from tcstudy.spec import PRETRAINING_PROTOCOLS, PROTOCOLS

GIVEN = {"encoder": {"name": "minilm-l6-uncased"}, "data": [{"name": "ag_news"}], "pretraining": {"steps": 600}}


def switched(changed, clean):
    """The fields in which two values differ."""
    return {name: value for name, value in changed if value != getattr(clean, name)}


def test_each_choice_is_switched_alone():
    experiment = ReleasedProtocol.model_validate(GIVEN)
    runs = experiment.runs()
    alone = {}
    for name, baseline in experiment.compared().items():
        run, clean = (runs[RunKey("ag_news", variant, 0)] for variant in (name, baseline))
        pretraining = (
            switched(run.encoder.stages[0].recipe.protocol, PRETRAINING_PROTOCOLS["clean"])
            if run.encoder.stages
            else {}
        )
        alone[name] = switched(run.protocol, clean.protocol) | pretraining
        assert run.training == clean.training
        assert len(run.encoder.stages) == len(clean.encoder.stages)
    tuned = {"optimizer": "bertadam", "selection": "test"}
    read = {"masking": "static", "text": "train and test"}
    assert alone == {
        "BERT-FiT, epoch selected on test": {"selection": "test"},
        "BERT-FiT, BERTAdam": {"optimizer": "bertadam"},
        "BERT-FiT, as released": tuned,
        "BERT-ITPT-FiT, static masking": {"masking": "static"},
        "BERT-ITPT-FiT, test text in pre-training": {"text": "train and test"},
        "BERT-ITPT-FiT, as released": tuned | read,
    }


def test_the_baselines_are_clean():
    experiment = ReleasedProtocol.model_validate(GIVEN)
    runs = experiment.runs()
    assert set(experiment.compared().values()) == {"BERT-FiT", "BERT-ITPT-FiT"}
    plain, pretrained = (runs[RunKey("ag_news", name, 0)] for name in ("BERT-FiT", "BERT-ITPT-FiT"))
    assert plain.canonical == '{"data":{"name":"ag_news"},"encoder":{"name":"minilm-l6-uncased"}}'
    assert pretrained.encoder == experiment.pretrained_on(["ag_news"])
    assert pretrained.protocol == PROTOCOLS["clean"]


@pytest.mark.parametrize("changed", [{"protocol": "released"}, {"pretraining": {"protocol": {"masking": "static"}}}])
def test_a_page_whose_baselines_would_not_be_clean_is_refused(changed):
    with pytest.raises(StudyError, match=r"a\.yaml: protocol: each choice of the released code is switched alone"):
        ReleasedProtocol.parse(GIVEN | changed, "a.yaml")


def test_an_optimizer_can_have_a_rate_of_its_own():
    plain = ReleasedProtocol.model_validate(GIVEN).runs()
    tuned = ReleasedProtocol.model_validate(GIVEN | {"rates": {"bertadam": 5e-6}}).runs()
    for key, run in tuned.items():
        same = run.protocol.optimizer != "bertadam"
        assert (run == plain[key]) == same
        assert same or run == plain[key].variant({"training.learning_rate": 5e-6})
