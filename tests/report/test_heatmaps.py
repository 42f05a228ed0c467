import numpy as np
import pandas as pd

from tcstudy.report.figures import error_by_length, heat_maps
from tcstudy.report.tables import signed

CHANGES = pd.DataFrame([[-2.0, 0.5], [np.nan, -0.01]], index=["IMDb", "all"], columns=["IMDb", "Yelp Polarity"])


def test_every_cell_has_its_number():
    framed = {"Here": pd.DataFrame([[True, False], [True, True]])}
    drawing = heat_maps({"Here": CHANGES}, "change", signed, framed=framed, centred=True)
    ax, _ = drawing.figure.axes
    assert [text.get_text() for text in ax.texts] == ["−2.0", "+0.5", "–", "0.0"]
    assert [text.get_color() for text in ax.texts] == ["white", "black", "black", "black"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["IMDb", "Yelp Polarity"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["IMDb", "all"]
    assert len(ax.patches) == 3
    assert drawing.finding == (
        "Here: change is lowest, −2.0 for IMDb on IMDb, and highest, +0.5 for IMDb on Yelp Polarity."
    )


def test_no_change_is_the_middle_of_one_scale_for_all_maps():
    drawing = heat_maps({"Here": CHANGES, "There": CHANGES / 4}, "change", centred=True)
    images = [image for ax in drawing.figure.axes for image in ax.images]
    assert [image.get_clim() for image in images] == [(-2.0, 2.0)] * 2
    np.testing.assert_allclose(images[0].cmap(0.5)[:3], (1, 1, 1), atol=0.05)
    blue, red = images[0].cmap(0.0), images[0].cmap(1.0)
    assert blue[2] > blue[0]
    assert red[0] > red[2]


def test_nothing_but_missing_cells_can_be_drawn():
    drawing = heat_maps({"Here": CHANGES * np.nan}, "change", centred=True)
    assert {text.get_text() for text in drawing.figure.axes[0].texts} == {"–"}
    assert drawing.finding == "Here: change not measured."


def test_a_map_of_many_classes_has_names_but_no_numbers():
    names = [f"class {number}" for number in range(12)]
    drawing = heat_maps({"": pd.DataFrame(np.eye(12), names, names)}, "share")
    assert not drawing.figure.axes[0].texts
    assert len(drawing.figure.axes[0].get_xticklabels()) == 12


def test_errors_by_length_stand_in_the_order_of_the_page_with_their_intervals():
    bins = pd.DataFrame(
        {"variant": ["a", "a", "b", "b"], "shortest": [1, 5] * 2, "longest": [4, 9] * 2, "mean": [0.1, 0.2, 0.3, 0.4]}
    )
    bins = bins.assign(low=bins["mean"] - 0.05, high=bins["mean"] + 0.1)
    drawing = error_by_length({"IMDb": bins}, ["b", "never run", "a"])
    ax = drawing.figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1 to 4", "5 to 9"]
    assert next(text.get_text() for text in ax.texts) == "30.0%\n25.0–40.0%"
    assert "lowest, 10.0% for a on 1 to 4" in drawing.finding
