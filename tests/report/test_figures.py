import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tcstudy.report import figures


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_error_ranges_draws_what_it_is_given(ax):
    spread = pd.DataFrame({"variant": ["a", "b"], "mean": [0.2, 0.4], "low": [0.1, 0.4], "high": [0.3, 0.4]})
    figures.error_ranges(ax, spread, "IMDb")
    assert ax.lines[0].get_xdata().tolist() == [0.2, 0.4]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first variant on top


def test_error_by_length_has_a_line_for_each_variant(ax):
    bins = pd.DataFrame(
        {"variant": ["a", "a", "b", "b"], "shortest": [1, 5] * 2, "longest": [4, 9] * 2, "error": [0.1, 0.2, 0.3, 0.4]}
    )
    figures.error_by_length(ax, bins, ["b", "a"], "IMDb")
    assert {line.get_label(): line.get_ydata().tolist() for line in ax.lines} == {"b": [0.3, 0.4], "a": [0.1, 0.2]}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1 to 4", "5 to 9"]


def test_length_distribution_falls_to_zero(ax):
    figures.length_distribution(ax, {"IMDb": [3, 1, 2, 2]}, limit=512)
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 2, 3]
    assert ax.lines[0].get_ydata().tolist() == [0.75, 0.5, 0.25, 0.0]
