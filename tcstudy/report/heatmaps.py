"""Heat maps: functions of data and an `Axes`; they compute nothing."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

COLOURS = "RdBu_r"  # blue is fewer errors, red is more; told apart without red and green
CENTRED = {"ha": "center", "va": "center"}
DARK = 0.6  # of the scale, beyond which a cell takes white writing


def error_changes(
    ax: Axes,
    changes: pd.DataFrame,
    framed: pd.DataFrame,
    title: str,
    below: pd.DataFrame | None = None,
    digits: int = 1,
) -> None:
    """Changes in error as a heat map, with the number in each cell and the scale on the right.

    Args:
        ax: drawn on.
        changes: differences of errors in percentage points, one row for each corpus and one column for each data set;
            missing where nothing was run.
        framed: whether a cell is framed, of the same shape.
        title: of the panel.
        below: a line in small print below each number, of the same shape.
        digits: decimals in the cells.
    """
    values = changes.to_numpy(dtype=float)
    limit = np.nanmax(np.append(np.abs(values), 10.0**-digits))
    image = ax.imshow(values, cmap=COLOURS, vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if abs(value) > DARK * limit else "black"
        place = row - (0.0 if below is None else 0.17)
        ax.text(column, place, _signed(value, digits), color=colour, **CENTRED)
        if below is not None:
            ax.text(column, row + 0.24, _minus(str(below.iat[row, column])), color=colour, fontsize=7, **CENTRED)
        if framed.iat[row, column]:
            frame = Rectangle((column - 0.45, row - 0.43), 0.9, 0.86, fill=False, linewidth=1.5, edgecolor=colour)
            ax.add_patch(frame)
    ax.set_xticks(range(len(changes.columns)), [name.replace(" ", "\n") for name in changes.columns])
    ax.set_yticks(range(len(changes.index)), changes.index)
    ax.tick_params(length=0)
    ax.set_title(title)
    ax.figure.colorbar(image, ax=ax, pad=0.02, label="points of error")


def confusion(ax: Axes, shares: pd.DataFrame, title: str, written: int = 12) -> None:
    """Shares of each true class by predicted class as a heat map.

    Args:
        ax: drawn on.
        shares: true classes in rows, predicted ones in columns, between 0 and 1.
        title: of the panel.
        written: of so many classes at most, the shares stand in the cells.
    """
    values = shares.to_numpy(dtype=float)
    image = ax.imshow(values, cmap="Blues", vmin=0, vmax=1)
    if len(values) <= written:
        for (row, column), value in np.ndenumerate(values):
            ax.text(column, row, f"{value:.0%}", color="white" if value > DARK else "black", fontsize=8, **CENTRED)
    size = 8 if len(values) <= 40 else 4
    names = [name.replace("$", r"\$")[:30] for name in map(str, shares.index)]
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    ax.set_yticks(range(len(names)), names, fontsize=size)
    ax.set_xlabel("predicted")
    ax.set_ylabel("class")
    ax.set_title(title)
    ax.figure.colorbar(image, ax=ax, format=PercentFormatter(xmax=1, decimals=0))


def _signed(value: float, digits: int) -> str:
    if np.isnan(value):
        return "–"
    text = f"{value:+.{digits}f}"
    return _minus(text) if float(text) else text[1:]  # no sign before zero


def _minus(text: str) -> str:
    return text.replace("-", "−")
