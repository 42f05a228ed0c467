from tcstudy.experiments import LayerDecay
from tcstudy.experiments.base import RunKey
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.published import printed_errors


def test_the_grid_of_the_paper_is_table_4(request):
    file = read_parameters(request.config.rootpath / "params" / "paper" / "layer_decay.yaml")
    variants = list(dict.fromkeys(key.variant for key in file.experiment.runs()))
    assert variants == list(printed_errors("table-4").index.get_level_values("row"))


def test_without_decay_it_is_the_plain_run():
    given = {"encoder": {"name": "minilm-l6-uncased"}, "data": [{"name": "imdb"}], "learning_rates": [2e-5]}
    runs = LayerDecay.model_validate(given).runs()
    assert runs[RunKey("imdb", "lr 2e-5 decay 1.00", 0)].canonical == (
        '{"data":{"name":"imdb"},"encoder":{"name":"minilm-l6-uncased"}}'
    )
    assert runs[RunKey("imdb", "lr 2e-5 decay 0.95", 0)].training.layer_decay == 0.95
