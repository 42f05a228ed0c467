import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcstudy.errors import StudyError
from tcstudy.experiments import FewShot
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import printed_errors
from tcstudy.spec import DataSpec

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": "imdb", "train": 4000, "validation": 200}],
    "fractions": [0.004, 1.0],
    "draws": [0, 1],
    "pretraining": {"steps": 600},
}


def test_the_points_that_the_paper_prints_are_in_its_grid(request):
    file = read_parameters(request.config.rootpath / "params" / "paper" / "few_shot.yaml")
    keys = {
        (method, f"{key.dataset}, {subset}")
        for key in file.experiment.runs()
        for method, subset in [key.variant.split(", ")]
    }
    assert set(printed_errors("figure-4").index) < keys
    assert file.experiment.documents(DataSpec(name="imdb"), 0.004) == 100
    assert file.experiment.documents(DataSpec(name="imdb"), 1.0) is None


def test_every_share_with_both_encoders_in_every_draw():
    runs = FewShot.model_validate(GIVEN).runs()
    assert len(runs) == len({spec.id for spec in runs.values()}) == 2 * 2 * 2
    few = runs[RunKey("imdb", "BERT-ITPT-FiT, 0.4% of the training data", 0, draw=1)]
    assert (few.data.train, few.data.validation, few.data.draw) == (16, 200, 1)
    assert [text.documents for text in few.encoder.stages[0].corpus] == [None]  # unlabelled text is plenty
    assert runs[RunKey("imdb", "BERT-FiT, 0.4% of the training data", 0, draw=1)].encoder.stages == ()
    assert runs[RunKey("imdb", "BERT-FiT, 100% of the training data", 0)].data.train == 4000


def test_epochs_are_added_where_documents_are_few():
    experiment = FewShot.model_validate(GIVEN | {"least_updates": 40, "training": {"batch_size": 24, "epochs": 3}})
    data = experiment.data[0]
    assert experiment.epochs(data, 16) == 40  # one update an epoch
    assert experiment.epochs(data, 100) == 8  # five
    assert experiment.epochs(data, 4000) == 3
    assert FewShot.model_validate(GIVEN).epochs(data, 16) == 4  # the paper's


@given(fraction=st.floats(0.0001, 1.0), train=st.integers(6, 5000))
def test_a_share_has_a_document_of_each_class_and_no_more_than_there_are(fraction, train):
    data = DataSpec(name="trec", train=train, validation=100)
    documents = FewShot.model_validate(GIVEN).documents(data, fraction)
    assert 6 <= documents <= train


@pytest.mark.parametrize("fraction", [0.0, 1.5])
def test_a_share_that_is_none_is_told(fraction):
    with pytest.raises(StudyError, match=r"a\.yaml: fractions\.0"):
        FewShot.parse(GIVEN | {"fractions": [fraction]}, "a.yaml")


def test_subsets_can_be_numbers_of_documents():
    given = {name: value for name, value in GIVEN.items() if name not in ("fractions", "draws")}
    experiment = FewShot.model_validate(given | {"labelled": [20, 100], "seeds": [3, 4], "draw": "seed"})
    runs = experiment.runs()
    assert {run.data.train for run in runs.values()} == {20, 100}
    assert all(run.data.draw == run.seed == key.draw for key, run in runs.items())
    assert {key.variant for key in runs} == {*experiment.compared(), *experiment.compared().values()}
    with pytest.raises(StudyError, match=r"a\.yaml: fractions and labelled: give one of them"):
        FewShot.parse(GIVEN | {"labelled": [20]}, "a.yaml")


def test_the_control_reads_text_of_another_kind_for_as_many_steps():
    sets = [{"name": name, "train": 400, "validation": 20} for name in ("imdb", "rotten_tomatoes", "ag_news")]
    experiment = FewShot.model_validate(GIVEN | {"data": sets, "control": True})
    runs = experiment.runs()
    others = {}
    for key, run in runs.items():
        if key.variant.startswith("BERT-FiT after other text"):
            [stage] = run.encoder.stages
            own = runs[key._replace(variant=experiment.compared()[key.variant])].encoder.stages[0]
            assert stage.recipe == own.recipe
            assert [text.name for text in own.corpus] == [key.dataset]
            others[key.dataset] = stage.corpus[0].name
    assert others == {"imdb": "ag_news", "rotten_tomatoes": "ag_news", "ag_news": "imdb"}
    assert len(runs) == 3 * 3 * 2 * 2  # sets, encoders, shares, draws
    with pytest.raises(StudyError, match=r"a\.yaml: .*needs a data set of another kind than imdb on the page"):
        FewShot.parse(GIVEN | {"control": True}, "a.yaml")
