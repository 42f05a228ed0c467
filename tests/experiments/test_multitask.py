import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import Multitask
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import printed_errors
from tcstudy.spec import MultitaskSpec

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": "bbc_news", "train": 48}, {"name": "rotten_tomatoes", "train": 48}],
    "window": {"length": 32},
    "corpus": ["bbc_news", "rotten_tomatoes", "trec"],
    "pretraining": {"steps": 12},
    "multitask_training": {"epochs": 1},
    "sampling": "uniform",
    "later_training": {"learning_rate": 1e-5},
    "seeds": [0, 1],
}


def test_the_grid_of_the_paper_is_table_7(request):
    file = read_parameters(request.config.rootpath / "params" / "paper" / "multitask.yaml")
    assert {(key.variant, key.dataset) for key in file.experiment.runs()} == set(printed_errors("table-7").index)


@pytest.mark.parametrize("profile", ["smoke", "mini-2", "paper"])  # in mini, that page begins with another encoder
def test_its_cross_domain_encoder_is_that_of_the_page_on_domains(request, profile):
    multitask, domains = (
        read_parameters(request.config.rootpath / "params" / profile / f"{page}.yaml").experiment
        for page in ("multitask", "domains")
    )
    first = next(key for key in multitask.runs() if key.variant == "BERT-CDPT-FiT")
    assert multitask.runs()[first] == domains.runs()[first._replace(variant="all")]


def test_stages_come_one_after_the_other():
    runs = Multitask.model_validate(GIVEN).runs()
    assert len(runs) == 2 * 4 * 2 == len({spec.id for spec in runs.values()})
    stages = {
        variant: [type(stage).__name__ for stage in runs[RunKey("bbc_news", variant, 0)].encoder.stages]
        for variant in dict.fromkeys(key.variant for key in runs)
    }
    assert stages == {
        "BERT-FiT": [],
        "BERT-MFiT-FiT": ["MultitaskSpec"],
        "BERT-CDPT-FiT": ["PretrainingSpec"],
        "BERT-CDPT-MFiT-FiT": ["PretrainingSpec", "MultitaskSpec"],
    }


def test_all_tasks_of_a_seed_go_on_from_one_multitask_stage():
    experiment = Multitask.model_validate(GIVEN)
    runs = experiment.runs()
    stage = {key: spec.encoder.stages[-1] for key, spec in runs.items() if "MFiT" in key.variant}
    assert stage[RunKey("bbc_news", "BERT-MFiT-FiT", 1)] == MultitaskSpec(
        tasks=experiment.data,
        window=experiment.window,
        training=experiment.multitask_training,
        sampling="uniform",
        seed=1,
    )
    assert stage[RunKey("bbc_news", "BERT-MFiT-FiT", 1)] == stage[RunKey("rotten_tomatoes", "BERT-CDPT-MFiT-FiT", 1)]
    assert stage[RunKey("bbc_news", "BERT-MFiT-FiT", 0)].seed == 0


def test_only_what_follows_a_multitask_stage_has_the_lower_rate():
    rates = {(key.variant, spec.training.learning_rate) for key, spec in Multitask.model_validate(GIVEN).runs().items()}
    assert rates == {
        ("BERT-FiT", 2e-5),
        ("BERT-MFiT-FiT", 1e-5),
        ("BERT-CDPT-FiT", 2e-5),
        ("BERT-CDPT-MFiT-FiT", 1e-5),
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"corpus": ["imbd"]}, "a.yaml: corpus: 'imbd' is not a data set .* did you mean 'imdb'"),
        ({"corpus": ["imdb", "sogou"]}, "a.yaml: one corpus cannot hold texts in several languages"),
        ({"sampling": "unifrom"}, "a.yaml: sampling: 'unifrom' is not allowed here; did you mean 'uniform'"),
    ],
)
def test_a_mistake_is_told(change, sentence):
    with pytest.raises(StudyError, match=sentence):
        Multitask.parse(GIVEN | change, "a.yaml")
