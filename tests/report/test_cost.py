from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tcstudy.experiments import Comparison, Multitask
from tcstudy.experiments.base import RunKey
from tcstudy.report import cost, figures
from tcstudy.report.claim_rules import CDPT, FIT, IDPT, ITPT, gains
from tcstudy.report.measured import Effect, PageRecords
from tcstudy.spec import RunSpec
from tcstudy.study.plan import known_facts
from tcstudy.study.work import multitask_work, pretraining_work, run_work

GIVEN = {
    "encoder": {"name": "minilm-l6-uncased"},
    "data": [{"name": name, "train": 100, "validation": 20, "test": 10} for name in ("imdb", "rotten_tomatoes")],
    "pretraining": {"steps": 10, "batch_size": 4, "length": 32},
    "window": {"length": 16},
    "seeds": [0, 1, 2],
}
FACTS = known_facts("minilm-l6-uncased")


class Made(dict):
    """Records of encoders, of which each took half an hour."""

    def __contains__(self, spec):
        return True

    def __getitem__(self, spec):
        return SimpleNamespace(cost=SimpleNamespace(training_seconds=1800.0))


@pytest.fixture
def comparison(made_up, took):
    """The records of a small comparison, in which only pre-training in the domain saves errors."""
    runs = Comparison.model_validate(GIVEN).runs()
    records = {key: made_up(run, 2 if key.variant in (IDPT, CDPT) else 4) for key, run in runs.items()}
    made = {part for run in runs.values() if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()}
    return PageRecords(runs, records, {encoder: took(encoder) for encoder in made})


def test_a_task_pays_for_its_encoder_in_full(comparison):
    priced = cost.prices(comparison.records, Made()).set_index(["dataset", "variant"])
    run = comparison.runs[RunKey("imdb", ITPT, 0)]
    plain, pretrained = priced.loc["imdb", FIT], priced.loc["imdb", ITPT]
    assert plain["hours"] == pytest.approx(1.5 / 3600)  # what every made-up run takes
    assert pretrained["hours"] == pytest.approx(0.5 + 1.5 / 3600)
    assert plain["operations"] == run_work(comparison.runs[RunKey("imdb", FIT, 0)], FACTS).operations
    more = pretraining_work(run.encoder, FACTS).operations
    assert pretrained["operations"] == run_work(run, FACTS).operations + more
    assert np.isnan(priced.loc["imdb", "TF-IDF + logistic regression"]["operations"])


def test_an_encoder_is_shared_by_the_data_sets_that_begin_with_it(comparison):
    priced = cost.prices(comparison.records, Made()).set_index(["dataset", "variant"])
    assert priced.loc["imdb", ["tasks"]].squeeze().to_dict()[ITPT] == 1
    assert priced.loc["imdb", IDPT]["tasks"] == priced.loc["imdb", CDPT]["tasks"] == 2
    table = cost.prices(comparison.records, Made())
    [part] = gains((IDPT, FIT))(comparison.table)
    more = cost.extra(table, part, comparison, ("imdb", "rotten_tomatoes"))
    assert more["hours"] == pytest.approx(0.5)
    assert more["shared_hours"] == pytest.approx(0.25)
    assert not more["free"]


def test_stages_of_several_kinds_add_up(made_up):
    experiment = Multitask.model_validate(GIVEN | {"corpus": ["imdb"]})
    run = experiment.runs()[RunKey("imdb", "BERT-CDPT-MFiT-FiT", 0)]
    hours, operations = cost.made_for(run.encoder, Made())
    assert hours == 1.0
    before = pretraining_work(run.encoder.before, FACTS).operations
    assert operations == before + multitask_work(run.encoder, FACTS).operations
    assert np.isnan(cost.made_for(run.encoder, {})[0])  # without its record the time is not known
    assert cost.made_for(run.encoder.published, {}) == (0.0, 0.0)


def test_what_is_bought_stands_in_the_order_of_its_worth(comparison):
    bought = cost.bought({"comparison": comparison, "bag_of_words": comparison}, Made())
    rows = bought.set_index("choice")
    domain = rows.loc["pre-training on text of its domain first"]
    assert domain["effect"].mean == pytest.approx(0.5)
    assert domain["rate"] == pytest.approx(1.0)  # half of the errors for half an hour
    assert rows.loc["the encoder with more layers", "reason"] == "this profile has no parameters for the page"
    table = cost.bought_table(bought, "t")
    assert table.rows[0][0] == "pre-training on text of its domain first"
    assert table.rows[0][2:4] == ["30.0\xa0min", "15.0\xa0min"]
    assert table.rows[0][5] == "6.0\xa0min"  # a fifth of the time that saves half of the errors
    assert table.rows[-1][1] == "this profile has no parameters for the page"
    text = cost.bought_found(bought).text
    assert "It saved 50.0% of the errors for 30.0\xa0min more (minilm-l6-uncased, 6 layers; window 16;" in text
    assert "No clear benefit: fine-tuning instead of reading features.\n" in text


def test_what_a_pre_training_that_did_not_take_bought_is_not_told(comparison):
    rows = cost.bought({"comparison": replace(comparison, encoders={})}, Made()).set_index("choice")
    row = rows.loc["pre-training on text of its domain first"]
    assert row["effect"] is None
    assert "the records do not show whether the pre-training took" in row["reason"]


def test_without_records_nothing_is_bought(comparison):
    bought = cost.bought({"comparison": PageRecords(comparison.runs, {})}, {})
    assert cost.bought_found(bought).text == "No comparison has all of its records yet."
    assert len(cost.bought_table(bought, "t").rows) == len(cost.CHOICES)
    assert cost.methods({"comparison": PageRecords(comparison.runs, {})}, {}).empty


def test_a_free_lunch_comes_first():
    def row(choice, low, hours, free):
        effect = Effect(0.1, low, 0.2, 0.01, 3, 100, ("imdb",))
        return [choice, "layers", "", effect, ("r",), "a size", hours, 0 if free else 1e12, hours, free, 0.1 / hours]

    columns = [
        "choice",
        "page",
        "reason",
        "effect",
        "runs",
        "scale",
        "hours",
        "operations",
        "shared_hours",
        "free",
        "rate",
    ]
    rows = [row("slow", 0.05, 9.0, False), row("quick", 0.05, 1.0, False), row("unsure", -0.1, 0.1, False)]
    bought = pd.DataFrame([*rows, row("free", 0.05, 0.01, True)], columns=columns)
    assert [cells[0] for cells in cost.bought_table(bought, "t").rows] == ["free", "quick", "slow", "unsure"]
    text = cost.bought_found(bought).text
    assert "Free wins, with fewer errors at no extra FLOPs: free." in text
    assert "Best value for extra compute: quick. It saved 10.0% of the errors for 1.0\xa0h more (a size)." in text


def test_what_is_unbeaten_has_fewer_errors_than_all_that_is_cheaper():
    generator = np.random.default_rng(0)
    points = pd.DataFrame({"hours": generator.random(50), "mean": generator.random(50)})
    on = cost.frontier(points, "hours")
    for place, point in points.iterrows():
        cheaper = points[points["hours"] < point["hours"]]
        assert on[place] == (cheaper["mean"] > point["mean"]).all()


def test_methods_of_several_pages_stand_once(comparison, made_up):
    runs = {RunKey("imdb", "head+tail", 0): run for key, run in comparison.runs.items() if key == ("imdb", FIT, 0, 0)}
    other = RunSpec.model_validate(
        {"data": {"name": "imdb", "train": 50, "validation": 20, "test": 10}, "encoder": {"name": "minilm-l6-uncased"}}
    )
    runs[RunKey("imdb", "on fewer documents", 0)] = other
    page = PageRecords(runs, {key: made_up(run, 3) for key, run in runs.items()})
    one_seed = PageRecords(comparison.runs, {key: r for key, r in comparison.records.items() if key.seed == 0})
    points = cost.methods({"comparison": one_seed, "long_texts": page}, Made())
    assert len(points) == 12
    assert not {"head+tail", "on fewer documents"} & set(points["variant"])
    table = cost.methods_table(points, "t")
    assert len(table.rows) == 12
    cells = points[points["dataset"] == "imdb"]
    cells = cells.assign(unbeaten=cost.frontier(cells, "hours"))
    [ax] = figures.costs({"IMDb": cells}, figures.HOURS).figure.axes
    assert ax.get_xscale() == "log"
    assert {" ".join(text.get_text().split()) for text in ax.texts} == set(cells["variant"][cells["unbeaten"]])


def test_clocks_of_several_machines_are_told(comparison):
    def on(device, encoder_digest="a"):
        provenance = SimpleNamespace(device=device, system="Linux", encoder_digest=encoder_digest)
        return PageRecords({}, {RunKey("imdb", device, 0): SimpleNamespace(provenance=provenance)})

    assert cost.timed_on({"a": on("cpu")}).text.startswith("All times were taken on one kind of machine.")
    bags = {"a": on("cpu, 2 threads"), "b": on("cpu", encoder_digest="")}
    assert cost.timed_on(bags).text.startswith("All times were taken on one kind of machine.")
    text = cost.timed_on({"a": on("cpu"), "b": on("gpu")}).text
    assert text.startswith("Times were taken on 2 kinds of machine (cpu, Linux; gpu, Linux): compare operations")
