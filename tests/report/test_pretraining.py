from types import SimpleNamespace

import numpy as np
import pytest

from tcstudy.experiments import WithinTask
from tcstudy.report import pretraining as report


@pytest.fixture
def experiment():
    return WithinTask.model_validate(
        {
            "encoder": {"name": "tiny"},
            "data": [{"name": "imdb", "train": 40}],
            "window": {"length": 16},
            "stops": [0, 5, 10],
            "pretraining": {"steps": 10},
            "seeds": [0, 1],
        }
    )


@pytest.fixture
def errors(experiment, made_up):
    wrong = {0: (5, 6), 5: (3, 4), 10: (1, 2)}
    runs = experiment.runs().items()
    return report.error_by_steps(
        {key: made_up(spec, wrong=wrong[int(key.variant.split()[0])][key.seed]) for key, spec in runs}
    )


@pytest.fixture
def heads(experiment):
    """The heads by steps; NSP was not learnt by step 5, and the encoder of step 10 has no record."""
    encoders = experiment.encoders()
    before = SimpleNamespace(mlm_loss=3.5, mlm_accuracy=0.3, nsp_loss=None, nsp_accuracy=None)
    measured = SimpleNamespace(mlm_loss=2.5, mlm_accuracy=0.4, nsp_loss=None, nsp_accuracy=None)
    texts = [SimpleNamespace(name="general", before=measured), SimpleNamespace(name="imdb", before=before)]
    return report.heads_by_steps(encoders, {encoders["imdb", 5]: SimpleNamespace(measured=measured, texts=texts)})


def test_errors_by_steps_by_hand(errors):
    assert errors["steps"].tolist() == [0, 5, 10]
    assert errors["mean"].tolist() == pytest.approx([0.55, 0.35, 0.15])
    assert errors["change"].tolist() == pytest.approx([np.nan, -0.2, -0.4], nan_ok=True)


def test_heads_by_steps_by_hand(heads):
    assert heads[["dataset", "steps"]].to_numpy().tolist() == [["imdb", 0], ["imdb", 5]]
    assert heads[["mlm_loss", "mlm_accuracy"]].to_numpy().tolist() == [[3.5, 0.3], [2.5, 0.4]]
    assert np.isnan(heads["nsp_accuracy"]).all()
    assert list(report.accuracy_lines(heads)) == ["MLM, IMDb"]


def test_the_papers_points_stand_beside_theirs_or_in_a_row_of_their_own(errors_frame, heads):
    cells = {0: (0.55, 0.5, 0.6), 5: (0.35, 0.3, 0.4), 10: (0.15, 0.1, 0.2)}
    errors = errors_frame(
        {("imdb", f"{steps} steps"): dict(zip(("mean", "low", "high"), of, strict=True)) for steps, of in cells.items()}
    ).assign(steps=list(cells))
    rows = report.steps_table(errors, heads, report.printed_by_steps(), "t").rows
    assert rows == [
        ["0 steps", "IMDb", "55.0% (50.0–60.0)", "5.40%", "3.50", "30.0%", "–", "–"],
        ["5 steps", "IMDb", "35.0% (30.0–40.0)", "–", "2.50", "40.0%", "–", "–"],
        ["10 steps", "IMDb", "15.0% (10.0–20.0)", "–", "–", "–", "–", "–"],
        ["100k steps", "IMDb", "–", "4.37%", "–", "–", "–", "–"],
    ]
