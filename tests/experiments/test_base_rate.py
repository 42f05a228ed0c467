import pytest

from tcstudy.errors import StudyError
from tcstudy.experiments import BaseRate, LayerDecay
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.base_rate import base_rate_of, rate_name
from tcstudy.publish.parameters import find_parameter_files, read_parameters
from tcstudy.report.published import published

GIVEN = {"encoder": {"name": "minilm-l6-uncased"}, "data": [{"name": "imdb"}], "learning_rates": [2e-5, 1e-4]}


def test_the_rates_are_called_as_the_paper_prints_them():
    rates = [2e-5, 5e-5, 1e-4, 4e-4]
    assert [rate_name(rate) for rate in rates] == published("figure-2")["row"].tolist()


def test_the_rate_of_training_is_replaced_by_each_rate():
    runs = BaseRate.model_validate(GIVEN | {"training": {"learning_rate": 1.0}, "seeds": [0, 1]}).runs()
    assert len(runs) == len({spec.id for spec in runs.values()}) == 4
    assert runs[RunKey("imdb", "lr 1e-4", 1)].training.learning_rate == 1e-4
    plain = runs[RunKey("imdb", "lr 2e-5", 0)]
    assert plain.canonical == '{"data":{"name":"imdb"},"encoder":{"name":"minilm-l6-uncased"}}'


def test_these_are_the_runs_of_layer_decay_without_decay(request):
    ours = read_parameters(request.config.rootpath / "params" / "mini" / "base_rate.yaml")
    values = {name: value for name, value in ours.values.items() if name != "optimizers"}
    same = LayerDecay.model_validate(values | {"decays": [1.0], "embeddings": "base"})
    assert [spec.id for spec in ours.experiment.runs().values()] == [spec.id for spec in same.runs().values()]


def test_each_optimizer_is_run_at_every_rate():
    plain = BaseRate.model_validate(GIVEN).runs()
    several = BaseRate.model_validate(GIVEN | {"optimizers": ["adamw", "bertadam"]}).runs()
    assert len(several) == 2 * len(plain)
    for key, run in plain.items():
        assert several[key] == run
        assert several[key._replace(variant=f"{key.variant} bertadam")] == run.variant(
            {"protocol.optimizer": "bertadam"}
        )


def test_no_rate_is_chosen_on_test_documents():
    with pytest.raises(StudyError, match=r"a\.yaml: protocol: a rate is chosen on the validation split"):
        BaseRate.parse(GIVEN | {"protocol": "released"}, "a.yaml")


@pytest.mark.parametrize(
    ("profile", "with_heads"), [("mini", set()), ("paper", {"within_task", "few_shot"})], ids=["mini", "paper"]
)
def test_all_pages_with_one_encoder_have_one_base_rate(request, profile, with_heads):
    """In `mini`, the pages on further pre-training within a task begin with an encoder of their own."""
    files = find_parameter_files([request.config.rootpath / "params" / profile])
    pages = [read_parameters(path).experiment for path in files]
    [ours] = [page for page in pages if isinstance(page, BaseRate)]
    rates = ours.rates_of(pages)
    assert {"layers", "layer_decay", "long_texts", *with_heads} <= set(rates)
    assert "base_rate" not in rates
    assert len(set(rates.values())) == 1, rates
    assert set(rates.values()) <= set(ours.learning_rates)


def test_the_base_rate_of_layer_decay_is_the_lower_one_and_of_pages_that_train_nothing_none(request):
    params = request.config.rootpath / "params" / "paper"
    rates = {
        name: base_rate_of(read_parameters(params / f"{name}.yaml").experiment) for name in ("layer_decay", "datasets")
    }
    assert rates == {"layer_decay": 2e-5, "datasets": None}
