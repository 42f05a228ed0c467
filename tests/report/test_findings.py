import pytest

from tcstudy.report.answers import lowest_errors

BEST = {"mean": 0.1, "low": 0.05, "high": 0.15}
FEWER = BEST | {"reference": "plain", "change": -0.1, "p": 0.01, "differs": True}
MORE = {"mean": 0.3, "reference": "plain", "change": 0.1, "p": 0.02, "differs": True}
ALIKE = {"mean": 0.19, "reference": "plain", "change": -0.01, "p": 0.7}


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ({"plain": BEST}, "IMDb: plain has the lowest mean error, 10.0% (5.0–15.0)."),
        (
            {"plain": {}, "a": FEWER},
            "IMDb: a has the lowest mean error, 10.0% (5.0–15.0); plain has 20.0% (10.0–30.0). "
            "Significantly fewer errors than plain: a (−10.0 points).",
        ),
        (
            {"plain": {}, "a": FEWER, "b": MORE, "c": ALIKE},
            "IMDb: a has the lowest mean error, 10.0% (5.0–15.0); plain has 20.0% (10.0–30.0). "
            "Significantly fewer errors than plain: a (−10.0 points). "
            "Significantly more errors than plain: b (+10.0 points). No other difference from plain is significant.",
        ),
        (
            {"plain": BEST, "c": ALIKE, "d": ALIKE},
            "IMDb: plain has the lowest mean error, 10.0% (5.0–15.0). No difference from plain is significant.",
        ),
        ({"plain": {"mean": float("nan"), "diverged": 2}}, "IMDb: no run converged."),
    ],
)
def test_findings_are_computed(errors_frame, cells, text):
    errors = errors_frame({("imdb", name): given for name, given in cells.items()})
    assert lowest_errors(errors, reference="plain").text == text


def test_of_a_single_seed_it_is_said(errors_frame):
    text = lowest_errors(errors_frame({("imdb", "plain"): {"runs": 1}}), reference="plain").text
    assert text.endswith("These are runs of a single seed; another seed may give other errors.")
