import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tcstudy.report.heatmaps import error_changes

CHANGES = pd.DataFrame([[-2.0, 0.5], [np.nan, -0.01]], index=["IMDb", "all"], columns=["IMDb", "Yelp P."])


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_every_cell_has_its_number(ax):
    error_changes(ax, CHANGES, pd.DataFrame([[True, False], [True, True]]), "Here")
    assert [text.get_text() for text in ax.texts] == ["−2.0", "+0.5", "–", "0.0"]
    assert [text.get_color() for text in ax.texts] == ["white", "black", "black", "black"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["IMDb", "Yelp\nP."]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["IMDb", "all"]
    assert len(ax.patches) == 3


def test_no_change_is_the_middle_of_the_scale(ax):
    error_changes(ax, CHANGES, CHANGES.isna(), "Here", digits=2)
    [image] = ax.images
    assert image.get_clim() == (-2.0, 2.0)
    np.testing.assert_allclose(image.cmap(0.5)[:3], (1, 1, 1), atol=0.05)
    blue, red = image.cmap(0.0), image.cmap(1.0)
    assert blue[2] > blue[0]
    assert red[0] > red[2]


def test_nothing_but_missing_cells_can_be_drawn(ax):
    error_changes(ax, CHANGES * np.nan, CHANGES.isna(), "Here")
    assert {text.get_text() for text in ax.texts} == {"–"}
