"""What a reader explores: the data are those of the records, and nothing of them is markup."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from tcstudy.catalog.profiles import PROFILES
from tcstudy.encoding.documents import spans
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.experiments.base import RunKey
from tcstudy.report import explore
from tcstudy.report.claims import CLAIMS
from tcstudy.report.measured import PageRecords
from tcstudy.report.verdicts import verdict
from tcstudy.spec import EncoderSpec, RunSpec, WindowSpec

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028$x$"


def data_of(shown) -> dict:
    """The data of an explorer as a page's script reads them."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', shown.html(), re.S)[1])


def tags_of(text: str) -> set[str]:
    """The names of all elements and attributes that a browser would find."""
    found = set()

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.update([tag, *(name for name, _ in attrs)])

    Parser().feed(text)
    return found


def spec(rate: float = 2e-5, seed: int = 0, train: int = 20) -> RunSpec:
    return RunSpec.model_validate(
        {
            "data": {"name": "rotten_tomatoes", "train": train, "validation": 10, "test": 10},
            "encoder": {"name": "tiny"},
            "window": {"length": 12},
            "training": {"learning_rate": rate},
            "seed": seed,
        }
    )


@pytest.fixture
def page(made_up) -> PageRecords:
    """Two rates with two seeds each, of which the last run diverged."""
    specs = [spec(rate, seed) for rate in (2e-5, 4e-4) for seed in (0, 1)]
    keys = [RunKey("rotten_tomatoes", f"lr {one.training.learning_rate}", one.seed) for one in specs]
    wrong = (1, 2, 5, None)
    records = [made_up(one, number, curve=(0.5, 0.25)) for one, number in zip(specs, wrong, strict=True)]
    return PageRecords(dict(zip(keys, specs, strict=True)), dict(zip(keys, records, strict=True)))


def test_a_run_has_its_curve_parameters_and_confusion_and_stands_once(page):
    data = data_of(explore.runs({"base_rate": page, "forgetting": page}))
    assert data["id"] == [record.id for record in page.records.values()]
    assert data["on"][0] == [["base_rate", "lr 2e-05"], ["forgetting", "lr 2e-05"]]
    rates = data["fields"]["training.learning_rate"]
    assert [rates["values"][place] for place in rates["of"]] == ["2e-05", "2e-05", "0.0004", "0.0004"]
    assert "window.method" not in data["fields"]  # in which all are alike
    stretch, last, losses, epochs, _, confusion = data["runs"][1]
    assert (stretch, last, losses) == (1, 20, [0.1] * 20)
    assert epochs == [[10, 0.5], [20, 0.25]]
    assert confusion == [[4, 1], [1, 4]]  # documents 0 and 1, of classes 0 and 1, are wrong
    assert data["runs"][3][5] is None


def test_the_table_without_scripts_has_every_run_and_the_error_of_its_confusion(page):
    shown = explore.runs({"base_rate": page})
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", shown.plain)
    assert [row.split("</td><td>")[2] for row in rows] == ["10.0%", "20.0%", "50.0%", "diverged"]
    for record in list(page.records.values())[:3]:
        counts = np.array(explore.confusion(record))
        assert 1 - np.trace(counts) / counts.sum() == pytest.approx(record.error_rate)


def test_no_string_of_a_record_becomes_markup(page):
    hostile = {key._replace(variant=HOSTILE): record for key, record in page.records.items()}
    shown = explore.runs({"base_rate": replace(page, records=hostile)})
    assert data_of(shown)["on"][0] == [["base_rate", HOSTILE]]
    assert not {"img", "onerror", "src"} & tags_of(shown.html())


def test_no_word_of_a_text_becomes_markup():
    vocabulary = load_vocabulary(EncoderSpec(name="tiny"))
    shown = explore.windows_of(f"a film {HOSTILE} of the year", vocabulary, shown=8)
    assert "".join(data_of(shown)["pieces"]) == f"a film {HOSTILE} of the year"
    assert not {"img", "onerror", "src"} & tags_of(shown.html())


def test_windows_are_those_of_the_encoding():
    vocabulary = load_vocabulary(EncoderSpec(name="tiny"))
    data = data_of(explore.windows_of("the film is good " * 8, vocabulary))
    pieces = len(data["pieces"])
    assert data["lengths"][-1] == pieces + 2  # where every method sees all
    for method in explore.METHODS:
        for length, seen in zip(data["lengths"], data["seen"][method], strict=True):
            expected = spans(pieces, WindowSpec(method=method, length=length))
            assert seen == [[list(part) for part in fraction] for fraction in expected]
        assert data["seen"][method][-1] == [[[0, pieces]]]
    assert data["seen"]["tail-only"][0] == [[[pieces - 6, pieces]]]


def test_claims_have_the_numbers_of_their_verdicts():
    verdicts = [verdict(claim, None, PROFILES["mini"]) for claim in CLAIMS]
    shown = explore.claims(verdicts)
    data = data_of(shown)
    assert [row["verdict"] for row in data["claims"]] == [one.decision for one in verdicts]
    assert [row["page"] for row in data["claims"]] == [claim.page for claim in CLAIMS]
    assert all(row["here"] == [None] * 3 for row in data["claims"])
    assert shown.plain.count("<tr>") == len(CLAIMS) + 1


def test_effects_of_single_runs_are_shown_without_an_interval(monkeypatch):
    verdicts = [verdict(CLAIMS[0], None, PROFILES["mini"])]
    single = explore.headlines(verdicts).assign(mean=0.25, low=np.nan, high=np.nan, paper=np.nan)
    monkeypatch.setattr(explore, "headlines", lambda _: single)
    shown = explore.claims(verdicts)
    assert data_of(shown)["claims"][0]["here"] == [0.25, None, None]
    assert shown.plain.count(">25.0%<") == 1


def test_costs_are_of_one_number_of_labels_each_with_the_unbeaten_among_them(made_up):
    few = [made_up(spec(seed=seed, train=train), wrong=1) for seed, train in ((0, 20), (1, 40))]
    many = [made_up(spec(rate=4e-4, seed=seed, train=40), wrong=wrong) for seed, wrong in ((0, 3), (1, 4))]
    keys = [RunKey("rotten_tomatoes", name, seed) for name, seed in (("a", 0), ("b", 1), ("c", 0), ("c", 1))]
    records = dict(zip(keys, [*few, *many], strict=True))
    pages = {"few_shot": PageRecords({key: record.spec for key, record in records.items()}, records)}
    found = explore.points(pages, {})
    assert found[["labels", "variant", "unbeaten"]].values.tolist() == [
        [20, "a", True],
        [40, "b", True],
        [40, "c", False],
    ]
    shown = explore.costs(found, pages)
    assert data_of(shown)["points"][2] | {"error": None} == {
        "dataset": "Rotten Tomatoes",
        "labels": 40,
        "method": "c",
        "page": "few_shot",
        "seconds": 1.5,
        "error": None,
        "seeds": [0.3, 0.4],
        "unbeaten": False,
    }
    assert shown.plain.count("<tr>") == 3  # the head and two that are unbeaten


def test_without_records_there_is_nothing_to_explore_and_no_error():
    assert data_of(explore.runs({}))["id"] == []
    assert data_of(explore.costs(explore.points({}, {}), {}))["points"] == []
