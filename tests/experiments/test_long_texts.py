import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import LongTexts
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.long_texts import METHODS
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import printed_errors

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": "imdb", "train": 100}, {"name": "bbc_news"}],
    "window": {"length": 64, "head": 20},
    "seeds": [0, 1],
}


def test_every_method_on_every_set_with_every_seed():
    runs = LongTexts.model_validate(GIVEN).runs()
    assert len(runs) == 2 * 6 * 2
    assert len({spec.id for spec in runs.values()}) == len(runs)
    for key, spec in runs.items():
        assert key == RunKey(spec.data.name, spec.window.method, spec.seed)
        assert spec.window.length == 64
        assert spec.window.head == (20 if spec.window.method == "head+tail" else None)


def test_the_methods_are_the_rows_of_table_2():
    assert list(METHODS) == list(dict.fromkeys(printed_errors("table-2").index.get_level_values("row")))


def test_the_grid_of_the_paper_is_table_2_each_language_with_its_encoder(request):
    runs = read_parameters(request.config.rootpath / "params" / "paper" / "long_texts.yaml").experiment.runs()
    assert {(key.variant, key.dataset) for key in runs} == set(printed_errors("table-2").index)
    assert {(key.dataset, spec.encoder.name) for key, spec in runs.items()} == {
        ("imdb", "bert-base-uncased"),
        ("sogou", "bert-base-chinese"),
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seedz": [0]}, "`seedz` is not a key of LongTexts; did you mean 'seeds'?"),
        ({"seeds": []}, "seeds: at least one is needed here"),
        ({"seeds": 3}, r"seeds: 3 \(int\) is given; it should be a valid list"),
        ({"seeds": [0, "one"]}, r"seeds\.1: 'one' \(str\) is given"),
        ({"data": [{"name": "imdb", "train": 1.5}]}, r"long_texts\.yaml: data\.0\.train: 1\.5 \(float\) is given"),
        ({"data": [{"name": "bbc_newz"}]}, r"data\.0: 'bbc_newz' is not a data set .* did you mean 'bbc_news'"),
        ({"methods": ["head+tial"]}, r"methods\.0: 'head\+tial' is not allowed here; did you mean 'head\+tail'"),
        ({"window": {"length": 600}}, r"window\.length: 600 wordpieces are more than minilm-l6-uncased takes"),
        ({"window": {"length": 64, "head": 63}}, "window: head is 63, longer than the window"),
        ({"encoder": {"name": "minilm-l7"}}, "encoder: 'minilm-l7' is not an encoder .* did you mean"),
        ({"training": {"learning_rate": True}}, "training.learning_rate: True is not a number"),
        ({"training": {"learning_rate": 1e308}}, "it should be less than or equal to 1"),
        ({"seeds": [1, 2, 1]}, "seeds: 1 is given twice"),
        ({"seeds": [10**60]}, "it should be less than 4294967296"),
        ({"profile": "a/b"}, "profile: 'a/b' is no name of a profile"),
        ({"protocol": 3}, "protocol: "),
    ],
)
def test_a_mistake_is_told_before_anything_runs(change, sentence):
    with pytest.raises(StudyError, match=sentence) as error:
        LongTexts.parse(GIVEN | change, "params/x/long_texts.yaml")
    assert str(error.value).startswith("params/x/long_texts.yaml: ")
    assert len(str(error.value).splitlines()) == 1


def test_longer_windows_stand_beside_the_methods():
    runs = LongTexts.model_validate(GIVEN | {"methods": ["tail-only"], "lengths": [16, 32]}).runs()
    assert {(run.window.method, run.window.length) for run in runs.values()} >= {("head+tail", 16), ("head+tail", 32)}
