import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tcstudy.report import curves, figures


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def line(**columns):
    return pd.DataFrame({"mean": [0.3, 0.2], "low": [0.2, 0.1], "high": [0.4, 0.3]} | columns)


def ticks(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def test_error_by_rate_has_a_tick_at_each_rate(ax):
    curves.error_by_rate(ax, {"IMDb": line(rate=[2e-5, 1e-4]), "TREC": line(rate=[2e-5, 4e-4])})
    assert ax.get_xscale() == "log"
    assert ticks(ax) == ["2e-5", "1e-4", "4e-4"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["IMDb", "TREC"]
    assert ax.lines[0].get_ydata().tolist() == [0.3, 0.2]


def test_a_band_reaches_from_low_to_high(ax):
    curves.learning_curves(ax, {"lr 4e-4": line(step=[10, 20])}, ["lr 2e-5", "lr 4e-4"], "IMDb")
    assert ax.lines[0].get_color() == figures.COLOURS[1]  # the first colour is another panel's
    [band] = ax.collections
    box = band.get_paths()[0].get_extents()
    assert (box.x0, box.x1) == (10, 20)
    assert (box.y0, box.y1) == pytest.approx((0.1, 0.4))


def test_errors_are_drawn_from_zero_and_panels_that_share_an_axis_hold_all_of_them():
    figure, (left, right) = plt.subplots(1, 2, sharey=True)
    curves.learning_curves(left, {"a": line(step=[1, 2])}, ["a"], "low")
    curves.learning_curves(right, {"a": line(step=[1, 2], mean=[0.9, 0.8])}, ["a"], "high")
    bottom, top = left.get_ylim()
    assert bottom == 0
    assert 0.9 < top < 1
    plt.close(figure)


def test_a_band_that_reaches_far_widens_the_axis_but_not_that_of_learning_curves(ax):
    far = line(step=[1, 2], steps=[1, 2], high=[0.9, 0.8])
    curves.learning_curves(ax, {"a": far}, ["a"], "IMDb")
    assert ax.get_ylim()[1] < 0.4
    ax.clear()
    curves.error_by_steps(ax, {"a": far})
    assert ax.get_ylim()[1] > 0.9


def test_what_was_forgotten_may_be_less_than_nothing(ax):
    curves.forgotten_by_rate(ax, {"IMDb": line(rate=[2e-5, 1e-4], low=[-0.5, 0.1])})
    assert ax.get_ylim()[0] < -0.4


def test_steps_and_documents(ax):
    curves.error_by_steps(ax, {"IMDb": line(steps=[0, 100])})
    assert ax.lines[0].get_xdata().tolist() == [0, 100]
    ax.clear()
    curves.error_by_documents(ax, {"BERT-FiT": line(labelled=[16, 4000])}, "IMDb")
    assert ticks(ax) == ["16", "4,000"]
    ax.clear()
    curves.accuracy_by_steps(ax, {"MLM": pd.DataFrame({"steps": [10, 20], "accuracy": [0.1, 0.6]})})
    assert ax.lines[0].get_ydata().tolist() == [0.1, 0.6]
    assert ax.get_ylim() == (0, 1)


def test_differences_are_in_points_around_zero(ax):
    figures.error_differences(
        ax, line(variant=["a", "b"], mean=[-0.01, 0.02], reference=["c", "c"], differs=[True, False]), "IMDb"
    )
    [dots] = [drawn for drawn in ax.collections if len(drawn.get_offsets()) == 2]
    assert dots.get_offsets().tolist() == [[-0.01, 0], [0.02, 1]]
    assert dots.get_facecolors()[1].tolist() == [1, 1, 1, 1]  # open: not shown to differ
    assert dots.get_facecolors()[0].tolist() == dots.get_edgecolors()[0].tolist()
    assert ax.xaxis.get_major_formatter()(0.02, None) == "+2.0"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
