from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tcstudy.errors import StudyError
from tcstudy.report import intervals
from tcstudy.report.predictions import compare, compared_tables
from tcstudy.study.run import run

SEEDS, DOCUMENTS = 4, 60


def predictions(rate, seed=0, documents=DOCUMENTS, seeds=SEEDS):
    generator = np.random.default_rng(seed)
    labels = np.random.default_rng(9).integers(0, 3, documents)
    hard = np.random.default_rng(8).random(documents)  # the same documents are hard for all
    rows = []
    for run_seed in range(seeds):
        wrong = 0.5 * hard + 0.5 * generator.random(documents) < rate
        predicted = np.where(wrong, (labels + 1) % 3, labels)
        rows += [(f"d{n}", f"c{labels[n]}", f"c{predicted[n]}", run_seed) for n in range(documents)]
    return pd.DataFrame(rows, columns=["document", "label", "predicted", "seed"])


def test_errors_and_differences_are_those_of_the_tables_and_enclose_a_bootstrap():
    one, other = predictions(0.2, 1), predictions(0.5, 2)
    shuffled = other.sample(frac=1, random_state=0)  # rows are matched by document and seed, not by place
    found = compare({"one": one, "other": shuffled})
    wrong = {
        name: (frame["label"] != frame["predicted"]).to_numpy().reshape(SEEDS, DOCUMENTS).astype(float)
        for name, frame in (("one", one), ("other", other))
    }
    assert found.errors["error"].tolist() == pytest.approx([wrong["one"].mean(), wrong["other"].mean()])
    [difference] = found.differences.itertuples()
    assert difference.change == pytest.approx(wrong["other"].mean() - wrong["one"].mean())
    delta, generator, means = wrong["other"] - wrong["one"], np.random.default_rng(0), []
    for _ in range(4000):  # both seeds and documents drawn again
        rows, columns = generator.integers(0, SEEDS, SEEDS), generator.integers(0, DOCUMENTS, DOCUMENTS)
        means.append(delta[rows][:, columns].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    assert difference.low == pytest.approx(low, abs=0.04)
    assert difference.high == pytest.approx(high, abs=0.04)
    assert difference.differs == (difference.low > 0) and difference.p < 0.05


def test_p_values_of_all_pairs_are_corrected_by_holm():
    found = compare(
        {name: predictions(rate, seed) for seed, (name, rate) in enumerate([("a", 0.2), ("b", 0.3), ("c", 0.5)])}
    )
    assert len(found.differences) == 3
    steps = sorted(found.differences["p"])
    expected = np.maximum.accumulate(np.minimum(np.array(steps) * [3, 2, 1], 1))
    assert sorted(found.differences["p_holm"]) == pytest.approx(expected)


def test_a_single_run_is_an_ordinary_paired_test_over_documents():
    one, other = predictions(0.2, 1, seeds=1), predictions(0.4, 2, seeds=1)
    [difference] = compare({"one": one, "other": other}).differences.itertuples()
    delta = [(f["label"] != f["predicted"]).to_numpy(dtype=float) for f in (other, one)]
    assert difference.p == pytest.approx(stats.ttest_rel(*delta).pvalue, rel=1e-6)


def test_records_and_files_are_compared_alike(spec, tmp_path):
    runs = {
        name: [run(spec.variant({"window.method": name, "seed": s})) for s in (0, 1)]
        for name in ("head-only", "tail-only")
    }
    found = compare(runs)
    for name, records in runs.items():
        pd.concat(
            pd.DataFrame(
                {
                    "document": range(record.test.documents),
                    "label": record.test.labels.unpack(),
                    "predicted": record.test.predicted.unpack(),
                    "seed": record.spec.seed,
                }
            )
            for record in records
        ).to_csv(tmp_path / f"{name}.csv", index=False)
    of_files = compare({name: tmp_path / f"{name}.csv" for name in runs})
    pd.testing.assert_frame_equal(found.errors, of_files.errors)
    pd.testing.assert_frame_equal(found.differences, of_files.differences)


def test_the_command_prints_both_tables(tmp_path, call):
    predictions(0.2, 1).to_csv(tmp_path / "a.csv", index=False)
    predictions(0.5, 2).to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    called = call("compare", tmp_path / "a.csv", tmp_path / "b.jsonl")
    assert called.status == 0, called.err
    [difference] = compare({"a": tmp_path / "a.csv", "b": tmp_path / "b.jsonl"}).differences.itertuples()
    assert f"{100 * difference.change:+.1f}" in called.out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.rename(columns={"seed": "run"}), "no column 'seed'"),
        (lambda frame: frame[frame["document"] != "d5"], "no predictions for the document 'd5'"),
        (lambda frame: frame.iloc[:-1], "has no prediction for the document 'd59'"),
        (
            lambda frame: pd.concat([frame, frame.iloc[:1]]),
            "an earlier row already predicts the document 'd0' with seed '0'",
        ),
        (lambda frame: frame.assign(seed=frame["seed"] + 1), "both need the same seeds"),
        (lambda frame: frame.assign(label="c0"), "has the label"),
        (lambda frame: frame.assign(predicted=""), "`predicted` is empty"),
        (lambda frame: frame.iloc[:0], "holds no predictions"),
    ],
)
def test_what_cannot_be_compared_is_told(change, told):
    with pytest.raises(StudyError, match=told):
        compare({"one": predictions(0.2), "other": change(predictions(0.3))})


def test_models_without_names_are_told_how_to_have_them():
    with pytest.raises(StudyError, match="compared by name"):
        compare([predictions(0.2), predictions(0.3)])


def test_a_single_run_shows_no_difference():
    labels = ["a", "b"] * 20
    one = pd.DataFrame({"document": range(40), "label": labels, "predicted": labels, "seed": 0})
    [row] = compare({"one": one, "other": one.assign(predicted=labels[::-1])}).differences.itertuples()
    assert row.low > 0
    assert not row.differs


def test_records_that_share_a_draw_are_a_row_as_in_the_tables(spec, made_up):
    """Two draws with three seeds each are two samples of training documents, not six."""
    places = [{"seed": seed, "data.draw": draw} for draw in range(2) for seed in range(3)]
    ours = [made_up(spec.variant(place), number % 4) for number, place in enumerate(places)]
    others = [made_up(spec.variant(place | {"training.epochs": 1}), 5) for place in places]
    for record in (*ours, *others):
        record.data.test = SimpleNamespace(digest="d")
    found = compare({"ours": ours, "others": others})
    expected = intervals.mean(
        np.subtract(*(matrix.astype(float) for matrix in intervals.paired_matrices(others, ours)))
    )
    [row] = found.differences.itertuples()
    assert (row.change, row.low, row.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert found.errors["runs"].tolist() == [2, 2]
    with pytest.raises(StudyError, match="two runs have seed 0, draw 0"):
        compare({"ours": [*ours, others[0]], "others": others})


def test_a_single_record_is_told_how_it_is_compared(spec):
    record = run(spec)
    with pytest.raises(StudyError, match="a: a model is compared by the list of its runs"):
        compare({"a": record, "b": record})


def test_whole_numbers_with_a_point_are_the_same_classes():
    one = predictions(0.2, 1).replace(
        {"label": {f"c{n}": n for n in range(3)}, "predicted": {f"c{n}": n for n in range(3)}}
    )
    floats = one.assign(predicted=one["predicted"].astype(float))
    found = compare({"one": one, "floats": floats.assign(seed=floats["seed"].astype(float))})
    assert found.differences["change"].tolist() == [0.0]
    with pytest.raises(StudyError, match=r"named: nothing that it predicts \('0', '1', '2'\) is a label of a document"):
        compare({"one": predictions(0.2, 1), "named": one.assign(label=predictions(0.2, 1)["label"])})


def test_a_table_of_a_single_run_says_what_its_interval_leaves_out():
    titles = [
        compared_tables(compare({"one": predictions(0.2, 1, seeds=seeds), "other": predictions(0.4, 2, seeds=seeds)}))[
            0
        ]
        for seeds in (1, 3)
    ]
    assert [title.title for title in titles] == [
        "Error, with intervals over documents alone, as there is a single run",
        "Error, with intervals over runs and documents",
    ]
