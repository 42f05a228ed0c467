import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tcstudy.report import figures


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_error_intervals_draws_what_it_is_given(ax, errors_frame):
    errors = errors_frame(
        {
            ("imdb", "a"): {"mean": 0.2, "low": 0.1, "high": 0.3},
            ("imdb", "b"): {"mean": 0.4, "low": 0.35, "high": 0.5, "reference": "a"},
        }
    )
    figures.error_intervals(ax, errors, "IMDb")
    lines, dots = ax.collections
    assert [segment[:, 0].tolist() for segment in lines.get_segments()] == [[0.1, 0.3], [0.35, 0.5]]
    assert dots.get_offsets().tolist() == [[0.2, 0], [0.4, 1]]
    assert [line.get_xdata() for line in ax.lines] == [[0.2, 0.2]]  # at the mean of what was compared with
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first variant on top


def test_error_by_length_has_a_line_for_each_variant(ax):
    bins = pd.DataFrame(
        {"variant": ["a", "a", "b", "b"], "shortest": [1, 5] * 2, "longest": [4, 9] * 2, "mean": [0.1, 0.2, 0.3, 0.4]}
    )
    bins = bins.assign(low=bins["mean"] - 0.05, high=bins["mean"] + 0.1)
    figures.error_by_length(ax, bins, ["b", "a"], "IMDb")
    assert {line.get_label(): line.get_ydata().tolist() for line in ax.lines} == {"b": [0.3, 0.4], "a": [0.1, 0.2]}
    first, _ = ax.collections
    assert [segment[:, 1].tolist() for segment in first.get_segments()] == [
        pytest.approx([0.25, 0.4]),
        pytest.approx([0.35, 0.5]),
    ]
    assert not set(ax.lines[0].get_xdata()) & set(ax.lines[1].get_xdata())  # beside each other
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1 to 4", "5 to 9"]


def test_length_distribution_falls_to_zero(ax):
    figures.length_distribution(ax, {"IMDb": [3, 1, 2, 2]}, limit=512)
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 2, 3]
    assert ax.lines[0].get_ydata().tolist() == [0.75, 0.5, 0.25, 0.0]
