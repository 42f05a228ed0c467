import itertools
import re
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from tcstudy.report import effect_figures, figures

SVG = "{http://www.w3.org/2000/svg}"


def line(**columns):
    return pd.DataFrame({"mean": [0.3, 0.2], "low": [0.2, 0.1], "high": [0.4, 0.3]} | columns)


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.fixture
def errors(errors_frame):
    return errors_frame(
        {
            ("imdb", "a"): {"mean": 0.2, "low": 0.1, "high": 0.3},
            ("imdb", "b"): {"mean": 0.4, "low": 0.35, "high": 0.5, "reference": "a"},
            ("imdb", "c"): {"mean": 0.3, "low": 0.25, "high": 0.35, "reference": "a", "differs": True},
        }
    )


def test_intervals_are_what_they_are_given_and_open_where_no_difference_was_shown(errors):
    drawing = figures.intervals({"IMDb": errors})
    [ax] = drawing.figure.axes
    bars, dots = ax.collections
    assert [segment[:, 0].tolist() for segment in bars.get_segments()] == [[0.1, 0.3], [0.35, 0.5], [0.25, 0.35]]
    assert dots.get_offsets().tolist() == [[0.2, 0], [0.4, 1], [0.3, 2]]
    assert [tuple(colour) == (1, 1, 1, 1) for colour in dots.get_facecolors()] == [False, True, False]
    assert [line.get_xdata() for line in ax.lines] == [[0.2, 0.2]]  # at the mean of what was compared with
    assert ticks(ax.yaxis) == ["a", "b", "c"]
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first variant on top
    assert drawing.finding == (
        "IMDb: test error is lowest, 20.0% (10.0% to 30.0%) with a, and highest, 40.0% (35.0% to 50.0%) with b. "
        "Shown to differ from a: c."
    )


def test_differences_are_in_points_around_zero():
    rows = line(variant=["a", "b"], mean=[-0.01, 0.02], reference=["c", "c"], differs=[True, False])
    drawing = figures.intervals({"IMDb": rows}, figures.CHANGE)
    [ax] = drawing.figure.axes
    assert ax.xaxis.get_major_formatter()(0.02, None) == "+2"
    assert [list(line.get_xdata()) for line in ax.lines] == [[0, 0]]
    assert "lowest, −1.0 (+20.0 to +40.0) with a" in drawing.finding


def test_a_picture_says_its_finding_is_the_same_each_time_and_has_no_date(errors):
    drawings = [figures.intervals({"IMDb <&>": errors}) for _ in range(2)]
    first, second = (drawing.svg() for drawing in drawings)
    assert first == second
    root = ElementTree.fromstring(first)
    assert root.find(f"{SVG}title").text == drawings[0].finding
    assert "date" not in first
    data, metadata = drawings[0]._repr_mimebundle_()
    assert data == {"image/svg+xml": first, "text/plain": drawings[0].finding}
    assert metadata["image/svg+xml"]["alt"] == drawings[0].finding


def test_letters_are_nine_pixels_high_on_a_phone(errors):
    drawing = figures.intervals({"IMDb": errors})
    root = ElementTree.fromstring(drawing.svg())
    assert root.get("width") == f"{72 * figures.WIDTH:.6g}pt"
    texts = [text for text in root.iter(f"{SVG}text") if text.text]
    sizes = [float(re.search(r"([\d.]+)px", text.get("style"))[1]) for text in texts]
    assert {text.text for text in texts} >= {"IMDb", "a", "b", "c", "test error"}  # text, not outlines
    assert min(sizes) * 380 / (72 * figures.WIDTH) >= 9


def test_a_name_with_dollars_is_no_formula(errors):
    drawing = figures.intervals({"costs $5 or $6": errors.assign(variant=["$x$", r"$\frac$", "c"])})
    assert "costs $5 or $6" in drawing.svg()
    assert r"$\frac$" in drawing.svg()


def test_a_drawing_is_shown_once():
    figure = plt.figure()
    figures.Drawing(figure, "Nothing.")
    assert not plt.fignum_exists(figure.number)


def test_rates_have_ticks_of_their_own_and_lines_their_course():
    lines = {"IMDb": line(rate=[2e-5, 1e-4]), "TREC": line(rate=[2e-5, 4e-4])}
    drawing = figures.lines({"": lines}, figures.RATE, figures.VALIDATION_ERROR)
    [ax] = drawing.figure.axes
    drawing.svg()
    assert ax.get_xscale() == "log"
    assert ticks(ax.xaxis) == ["2e-5", "1e-4", "4e-4"]
    assert ax.get_legend() is None  # not on the data
    [legend] = drawing.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["IMDb", "TREC"]
    assert drawing.finding == (
        "validation error by learning rate: IMDb from 30.0% at 2e-5 to 20.0% at 1e-4; "
        "TREC from 30.0% at 2e-5 to 20.0% at 4e-4."
    )


def test_a_band_reaches_from_low_to_high_and_a_label_keeps_its_colour():
    panels = {"one": {"a": line(step=[1, 2])}, "two": {"b": line(step=[10, 20], mean=[0.9, 0.8])}}
    drawing = figures.lines(panels, figures.UPDATES, figures.VALIDATION_ERROR)
    first, second = drawing.figure.axes
    assert second.lines[0].get_color() == figures.COLOURS[1]
    [band] = second.collections
    box = band.get_paths()[0].get_extents()
    assert (box.x0, box.x1) == (10, 20)
    assert (box.y0, box.y1) == pytest.approx((0.1, 0.4))
    assert first.get_ylim() == second.get_ylim()
    bottom, top = first.get_ylim()
    assert bottom == 0
    assert 0.9 < top < 1


def test_what_was_forgotten_may_be_less_than_nothing():
    lines = {"IMDb": line(rate=[2e-5, 1e-4], low=[-0.5, 0.1])}
    [ax] = figures.lines({"": lines}, figures.RATE, figures.FORGOTTEN).figure.axes
    assert ax.get_ylim()[0] < -0.4


def test_panels_may_have_axes_of_their_own():
    accuracy = pd.DataFrame({"steps": [10, 20], "accuracy": [0.6, 0.1]})
    panels = {"error": {"IMDb": line(steps=[0, 100])}, "heads": {"MLM": accuracy}}
    drawing = figures.lines(panels, figures.STEPS, [figures.TEST_ERROR, figures.ACCURACY])
    error, heads = drawing.figure.axes
    assert error.lines[0].get_xdata().tolist() == [0, 100]
    assert heads.lines[0].get_ydata().tolist() == [0.6, 0.1]
    assert heads.get_ylim()[1] != error.get_ylim()[1]


def test_bars_have_their_numbers():
    counts = pd.Series([7, 2, 1], index=[0.0, 0.5, 1.0])
    x, y = figures.Axis("wrong", "share wrong", figures.percent), figures.Axis("n", "documents", figures.count)
    drawing = figures.bars({"IMDb": counts}, x, y)
    [ax] = drawing.figure.axes
    assert [bar.get_height() for bar in ax.patches] == [7, 2, 1]
    assert [text.get_text() for text in ax.texts] == ["7", "2", "1"]
    assert drawing.finding == "IMDb: documents by share wrong, 7 at 0.0% and 1 at 100.0%, 2 between these."


def test_methods_that_nothing_cheaper_beats_are_named_and_no_name_lies_on_another():
    cells = pd.DataFrame(
        {
            "variant": ["words", "dear", "a little better", "a very little better"],
            "mean": [0.3, 0.31, 0.21, 0.209],
            "low": 0.1,
            "high": 0.4,
            "hours": [1 / 3600, 1.0, 0.5, 2.0],
            "unbeaten": [True, False, True, True],
        }
    )
    drawing = figures.costs({"IMDb": cells}, figures.HOURS)
    [ax] = drawing.figure.axes
    assert [text.get_text() for text in ax.texts] == ["words", "a little better", "a very little better"]
    places = [(text.xyann[1], text.get_text()) for text in ax.texts]
    assert places == sorted(places, reverse=True)
    assert all(abs(one[0] - two[0]) > 0.09 for one, two in itertools.pairwise(places))
    assert all(text.xyann[0] > 1 for text in ax.texts)  # beside the axes, not on the data
    assert "words (30.0% in 1 s)" in drawing.finding


def test_lengths_fall_to_nothing():
    drawing = figures.length_distribution({"IMDb": [3, 1, 2, 2]}, limit=2)
    [ax] = drawing.figure.axes
    assert ax.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert ax.lines[0].get_ydata().tolist() == [0.75, 0.25, 0.0]
    assert drawing.finding == "Texts longer than 2 wordpieces: IMDb 25.0%."


@pytest.mark.parametrize("kind", ["intervals", "lines"])
def test_nothing_is_drawn_where_nothing_was_measured(kind):
    axes = () if kind == "intervals" else (figures.RATE, figures.TEST_ERROR)
    drawing = getattr(figures, kind)({}, *axes)
    assert drawing.finding == "Nothing was measured."
    assert "<svg" in drawing.svg()


def test_effects_are_counted_by_what_was_decided():
    unknown = {"paper": float("nan"), "smallest": float("nan"), "gain": True}
    rows = line(label=["head+tail", "decay"], decision=["holds", "not decided here"]).assign(**unknown)
    finding = effect_figures.effects(rows).finding
    assert finding.startswith("2 effects: 1 holds, 1 not decided here. share of errors saved is lowest, 20.0% (10.0%")
