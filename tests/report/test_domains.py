import pandas as pd
import pytest

from tcstudy.experiments.domains import PLAIN, corpora
from tcstudy.report import domains
from tcstudy.report.published import printed_errors
from tcstudy.report.stats import printed_matrix

OURS = pd.DataFrame(
    {"imdb": [0.10, 0.30, 0.15, 0.20], "trec": [0.40, 0.20, 0.30, 0.40]},
    index=["imdb", "trec", "all", PLAIN],
)


@pytest.fixture
def papers() -> pd.DataFrame:
    return printed_matrix(printed_errors("table-5"))


def test_changes_by_hand(papers):
    ours = domains.changes(OURS)
    assert ours.to_numpy().tolist() == [
        pytest.approx([-10, 0]),
        pytest.approx([10, -20]),
        pytest.approx([-5, -10]),
    ]
    assert list(ours.index) == ["IMDb", "TREC", "all"]
    assert domains.changes(papers).loc["IMDb", "IMDb"] == pytest.approx(4.37 - 5.40)


def test_which_corpora_hold_the_tasks_own_text(papers):
    assert domains.inside(OURS).to_numpy().tolist() == [[True, False], [False, True], [True, True]]
    assert domains.inside(papers).sum(axis=1).tolist() == [len(names) for names in corpora(list(papers)).values()]


def test_each_cell_has_one_relation(papers):
    members = corpora(list(papers))
    relations = pd.Series([domains.relation(names, name) for names in members.values() for name in papers])
    assert relations.value_counts().to_dict() == {
        "the task's own texts": 7,
        "its own and others of its kind": 7,
        "others of its kind only": 3 * 2 + 2 + 2,
        "other kinds only": 4 * 4 + 3 * 5 + 3 * 5,
        "all kinds, its own texts among them": 7,
    }
    assert set(relations) == set(domains.RELATIONS)


def test_means_by_relation_by_hand(papers):
    rows = {row[0]: row[1:] for row in domains.by_relation(OURS, papers).rows}
    assert rows["the task's own texts"][:2] == ["50.0%", "2"]  # 0.10 of 0.20, 0.20 of 0.40
    assert rows["other kinds only"][:2] == ["-25.0%", "2"]  # 0.30 of 0.20, 0.40 of 0.40
    assert rows["all kinds, its own texts among them"][:2] == ["25.0%", "2"]
    assert rows["its own and others of its kind"] == ["–", "–", "10.0%", "7"]
