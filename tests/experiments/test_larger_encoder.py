import pytest

from tcstudy.experiments import LargerEncoder
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.larger_encoder import PRINTED_ROWS
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import printed_errors

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased", "layers": 3},
    "larger": {"name": "minilm-l6-uncased"},
    "data": [{"name": "imdb"}, {"name": "trec"}],
    "pretraining": {"steps": 12},
    "larger_pretraining": {"steps": 15, "batch_size": 24},
}


def test_the_grid_of_the_paper_is_table_8(request):
    file = read_parameters(request.config.rootpath / "params" / "paper" / "larger_encoder.yaml")
    printed = printed_errors("table-8").rename(PRINTED_ROWS, level="row").drop("ULMFiT, cited", level="row")
    assert {(key.variant, key.dataset) for key in file.experiment.runs()} == set(printed.index)


@pytest.mark.parametrize("profile", ["smoke", "mini-2", "paper"])  # in mini, that page begins with another encoder
def test_its_pretrained_encoders_are_those_of_the_page_on_domains(request, profile):
    larger, domains = (
        read_parameters(request.config.rootpath / "params" / profile / f"{page}.yaml").experiment
        for page in ("larger_encoder", "domains")
    )
    same = "smaller + ITPT" if profile == "paper" else "larger + ITPT"  # which of the two has all its layers
    first = next(key for key in larger.runs() if key.variant == same)
    assert larger.runs()[first] == domains.runs()[first._replace(variant=first.dataset)]


def test_each_encoder_has_a_recipe_of_its_own():
    runs = LargerEncoder.model_validate(GIVEN).runs()
    seen = {
        key.variant: (
            spec.encoder.layers,
            [([text.name for text in stage.corpus], stage.recipe.steps) for stage in spec.encoder.stages],
        )
        for key, spec in runs.items()
        if key.dataset == "trec"
    }
    assert seen == {
        "smaller": (3, []),
        "smaller + ITPT": (3, [(["trec"], 12)]),
        "larger": (None, []),
        "larger + ITPT": (None, [(["trec"], 15)]),
    }
    assert runs[RunKey("trec", "larger + ITPT", 0)].encoder.stages[0].recipe.excluding == ("imdb", "trec")
