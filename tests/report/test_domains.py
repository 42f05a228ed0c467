import pandas as pd
import pytest

from tcstudy.experiments.base import RunKey
from tcstudy.experiments.domains import PLAIN, corpora
from tcstudy.report import claims, pretraining
from tcstudy.report.frame import NONE, OTHER_KINDS
from tcstudy.report.intervals import spread
from tcstudy.report.published import printed_errors
from tcstudy.report.stats import average, printed_matrix, values_of

OURS = pd.DataFrame(
    {"imdb": [0.10, 0.30, 0.15, 0.20], "trec": [0.40, 0.20, 0.30, 0.40]},
    index=["imdb", "trec", "all", PLAIN],
)


OURS_CORPORA = {"imdb": ("imdb",), "trec": ("trec",), "all": ("imdb", "trec"), PLAIN: ()}


def run_on(spec, corpus, seed):
    """A run with an encoder that was further pre-trained on data sets."""
    stages = [{"corpus": [{"name": name} for name in corpus]}] if corpus else []
    return spec.variant({"seed": seed, "encoder": {"name": "tiny", "stages": stages}})


@pytest.fixture
def papers() -> pd.DataFrame:
    return printed_matrix(printed_errors("table-5"))


def test_changes_by_hand(papers):
    ours = pretraining.changes(OURS, OURS_CORPORA)
    assert ours.to_numpy().tolist() == [
        pytest.approx([-10, 0]),
        pytest.approx([10, -20]),
        pytest.approx([-5, -10]),
    ]
    assert list(ours.index) == ["IMDb", "TREC", "all"]
    assert pretraining.changes(papers, pretraining.printed_corpora(papers)).loc["IMDb", "IMDb"] == pytest.approx(
        4.37 - 5.40
    )


def test_which_corpora_hold_the_tasks_own_text(papers):
    assert pretraining.inside(OURS, OURS_CORPORA).to_numpy().tolist() == [[True, False], [False, True], [True, True]]
    inside = pretraining.inside(papers, pretraining.printed_corpora(papers))
    assert inside.sum(axis=1).tolist() == [len(names) for names in corpora(list(papers)).values()]


def test_each_cell_has_one_relation(papers):
    members = corpora(list(papers))
    relations = pd.Series([pretraining.relation(names, name) for names in members.values() for name in papers])
    assert relations.value_counts().to_dict() == {
        "the task's own texts": 7,
        "its own and others of its kind": 7,
        "others of its kind only": 3 * 2 + 2 + 2,
        "other kinds only": 4 * 4 + 3 * 5 + 3 * 5,
        "all kinds, its own texts among them": 7,
    }
    assert set(relations) == set(pretraining.RELATIONS)


@pytest.fixture
def records(made_up, spec):
    wrong = {"imdb": {"imdb": 1, "trec": 3, "all": 1, PLAIN: 2}, "trec": {"imdb": 4, "trec": 2, "all": 4, PLAIN: 4}}
    return {
        RunKey(name, corpus, seed): made_up(run_on(spec, OURS_CORPORA[corpus], seed), number)
        for name, numbers in wrong.items()
        for corpus, number in numbers.items()
        for seed in (0, 1)
    }


def test_means_by_relation_by_hand(records, papers):
    rows = {row[0]: row[1:] for row in pretraining.by_relation(records, papers).rows}
    found = {name: (row[0].split(" (")[0], row[1]) for name, row in rows.items()}
    assert found["the task's own texts"] == ("50.0%", "2")  # 1 of 2, 2 of 4
    assert found["other kinds only"] == ("−25.0%", "2")  # 3 of 2, 4 of 4
    assert found["all kinds, its own texts among them"] == ("25.0%", "2")
    assert rows["its own and others of its kind"] == ["–", "–", "10.0%", "7"]


def test_the_interval_of_a_relation_is_that_of_its_average(records, papers):
    cells = [values_of(records, {name: PLAIN})[name, name] for name in ("imdb", "trec")]
    rows = {row[0]: row[1:] for row in pretraining.by_relation(records, papers).rows}
    found = average([spread(values) for values in cells], [values.shape for values in cells])
    assert rows["the task's own texts"][0] == f"50.0% (−{-100 * found.low:.1f} to {100 * found.high:.1f})"


def test_cells_have_their_intervals(errors_frame):
    changed = {"reference": PLAIN, "change": -0.02, "change_low": -0.031, "change_high": 0.004, "p": 0.1}
    missing = {"reference": PLAIN}
    found = pretraining.intervals(
        errors_frame({("imdb", PLAIN): {}, ("imdb", "all"): changed, ("trec", "all"): missing})
    )
    assert found.loc["all"].tolist() == ["−3.1 to\n+0.4", ""]


def test_a_relation_counts_the_seeds_that_ended_well_with_all_its_corpora(made_up, spec, papers):
    wrong = {(PLAIN, 0): 4, (PLAIN, 1): 2, ("trec", 0): None, ("trec", 1): 1, ("dbpedia", 0): 0, ("dbpedia", 1): 3}
    runs = {
        RunKey("imdb", corpus, seed): made_up(run_on(spec, () if corpus == PLAIN else (corpus,), seed), number)
        for (corpus, seed), number in wrong.items()
    }
    others = {
        RunKey(name, PLAIN, seed): made_up(spec.variant({"seed": seed}), 4)
        for name in ("trec", "dbpedia")
        for seed in (0, 1)
    }
    rows = {row[0]: row[1:] for row in pretraining.by_relation(runs | others, papers).rows}
    mean, cells = rows["other kinds only"][:2]
    assert (mean.split(" (")[0], cells) == ("0.0%", "2")  # seed 1: 1 of 2, 3 of 2


def test_the_papers_cells_of_text_of_another_kind_are_as_the_page_says():
    printed = claims.printed_domains()
    plain = printed[printed["pretraining.relation"] == NONE].set_index("dataset")["error"]
    others = printed[printed["pretraining.relation"] == OTHER_KINDS]
    raised = others["error"].to_numpy() > plain.loc[others["dataset"]].to_numpy()
    on_imdb = (others["dataset"] == "imdb").to_numpy()
    assert raised[on_imdb].tolist() == [True] * 6  # "raises the error on IMDb in all six cases"
    assert raised[~on_imdb].mean() < 0.5  # "and lowers it in most of the other cells"
