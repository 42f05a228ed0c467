from pathlib import Path
from types import SimpleNamespace

from tcstudy.publish.parameters import read_parameters
from tcstudy.report.scope import scope

PARAMS = Path(__file__).parents[2] / "params"


def comparison(profile):
    return read_parameters(PARAMS / profile / "comparison.yaml").experiment


def made_without(*names):
    return SimpleNamespace(provenance=SimpleNamespace(made_new=names))


def test_sizes_stand_beside_the_papers():
    text = scope(comparison("mini"), comparison("paper"), []).text
    assert text.startswith(
        "Encoder `minilm-l6-uncased` (the paper: `bert-base-uncased`); window 64 wordpieces (the pape"
    )
    assert "labelled documents of a set 500 (the paper: all)" in text
    assert "360 steps on 2,048 wordpieces each at 5e-05 (the paper: 100,000 steps on 4,096" in text


def test_what_is_the_papers_is_not_said_twice():
    papers = comparison("paper")
    assert "(the paper:" not in scope(papers, papers, []).text


def test_sets_of_several_sizes_are_told():
    mini = comparison("mini")
    sizes = (100, None, 1500)
    data = tuple(each.model_copy(update={"train": size}) for each, size in zip(mini.data, sizes, strict=False))
    text = scope(mini.model_copy(update={"data": data}), mini, []).text
    assert "of a set 100 or 1,500 or all (the paper: 500)" in text


def test_heads_that_the_encoder_did_not_come_with_are_told():
    papers = comparison("paper")
    assert "heads" not in scope(papers, papers, [made_without()]).text
    assert "heads" not in scope(papers, papers, [made_without("bert.pooler.dense.bias")]).text
    assert "made new" in scope(papers, papers, [made_without(), made_without("cls.predictions.bias")]).text
