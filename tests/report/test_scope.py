from pathlib import Path
from types import SimpleNamespace

import pytest

from tcstudy.publish.parameters import read_parameters
from tcstudy.report import scope as report
from tcstudy.report.measured import PageRecords

PARAMS = Path(__file__).parents[2] / "params"


def comparison(profile):
    return read_parameters(PARAMS / profile / "comparison.yaml").experiment


def told(here, papers=None):
    return report.scope({"comparison": here}, {"comparison": papers} if papers else {}, {}).text


def test_sizes_stand_beside_the_papers():
    text = told(comparison("mini"), comparison("paper"))
    assert ": Encoder minilm-l6-uncased (the paper: bert-base-uncased); window 64 wordpieces " in text
    assert "labelled documents of a set 500 (the paper: all)" in text
    assert "150 steps on up to 4,096 wordpieces each at 2e-4 (the paper: 100,000 steps on up to 4,096" in text


def test_what_is_the_papers_is_not_said_twice_and_where_it_is_unknown_not_at_all():
    papers = comparison("paper")
    assert told(papers, papers) == told(papers)
    assert "(the paper:" not in told(papers)


def test_sets_of_several_sizes_are_told():
    mini = comparison("mini")
    sizes = (100, None, 1500)
    data = tuple(each.model_copy(update={"train": size}) for each, size in zip(mini.data, sizes, strict=False))
    assert "of a set 100 or 1,500 or all (the paper: 500)" in told(mini.model_copy(update={"data": data}), mini)


@pytest.mark.parametrize(("names", "new"), [((), False), (("pooler.dense.bias",), False), (("cls.bias",), True)])
def test_heads_that_the_encoder_did_not_come_with_are_told(monkeypatch, names, new):
    record = SimpleNamespace(provenance=SimpleNamespace(made_new=names))
    monkeypatch.setattr(report, "encoders_behind", lambda records: {"an encoder": record})
    assert ("made new" in told(comparison("mini"))) == new


def test_without_the_comparison_nothing_is_told():
    assert report.scope({}, {"comparison": comparison("paper")}, {"layers": PageRecords({}, {})}) is None
