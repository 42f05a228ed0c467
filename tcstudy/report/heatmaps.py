"""Heat maps: numbers by rows and columns, one map below the other, on one scale."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from tcstudy.report.figures import STYLE, Drawing, plain, stacked, with_finding
from tcstudy.report.tables import percent

DARK = 0.6  # of the scale, beyond which a cell takes white writing
NUMBERED = 8  # so many columns have room for numbers in their cells
NAMED = 30  # so many rows have room for names


@mpl.rc_context(STYLE)
def heat_maps(
    panels: Mapping[str, pd.DataFrame],
    label: str,
    written: Callable[[float], str] = percent,
    axes: tuple[str, str] = ("", ""),
    below: Mapping[str, pd.DataFrame] | None = None,
    framed: Mapping[str, pd.DataFrame] | None = None,
    centred: bool = False,
) -> Drawing:
    """A map for each panel with the number in each cell.

    Args:
        panels: numbers by row and column, by the panel's title; missing where nothing was run.
        label: what the numbers are.
        written: how a number is written.
        axes: what rows and columns are.
        below: a line below each number, of the same shapes.
        framed: whether a cell is framed, of the same shapes.
        centred: zero is the middle of the scale, blue is less and red is more.
    """
    below, framed = below or {}, framed or {}
    values = {title: of.to_numpy(dtype=float) for title, of in panels.items()}
    limit = np.nanmax([1e-9, *(np.abs(of[~np.isnan(of)]).max(initial=0) for of in values.values())])
    rows = {title: 2 + str(of.iat[0, 0]).count("\n") for title, of in below.items() if of.size}
    heights = [min(9.0, (0.13 + 0.17 * rows.get(title, 1)) * len(of) + 1.1) for title, of in panels.items()]
    figure, places = stacked([*heights[:-1], heights[-1] + 0.6] if heights else [])
    told, image = [], None
    for ax, (title, of) in zip(places, panels.items(), strict=False):
        colours = {"cmap": "RdBu_r", "vmin": -limit} if centred else {"cmap": "Blues", "vmin": 0}
        image = ax.imshow(values[title], vmax=limit, aspect="auto", **colours)
        ax.grid(visible=False)
        ax.tick_params(length=0)
        ax.set(title=textwrap.fill(title, 44), ylabel=axes[0], xlabel=axes[1], xticks=[], yticks=[])
        told.append(f"{title}: {label} {_ends(of, written)}")
        if len(of) > NAMED:
            continue
        crowded = len(of.columns) > NUMBERED
        ax.set_yticks(range(len(of.index)), [textwrap.shorten(str(name), 30) for name in of.index])
        names = [textwrap.shorten(str(name), 30) if crowded else textwrap.fill(str(name), 10) for name in of.columns]
        ax.set_xticks(range(len(names)), names, rotation=90 if crowded else 0)
        for (row, column), value in np.ndenumerate(values[title]):
            colour = "white" if abs(value) > DARK * limit else "black"
            if not crowded:
                more = f"\n{below[title].iat[row, column]}" if title in below else ""
                text = f"{'–' if np.isnan(value) else written(value)}{more}"
                ax.text(column, row, text, color=colour, ha="center", va="center")
            if title in framed and framed[title].iat[row, column]:
                edges = {"fill": False, "linewidth": 1.5, "edgecolor": colour}
                ax.add_patch(Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, **edges))
    if image is not None:
        bar = figure.colorbar(image, ax=places, orientation="horizontal", label=label, aspect=40, shrink=0.8)
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda number, _: plain(written(number))))
    return with_finding(figure, told)


def error_by_length(panels: Mapping[str, pd.DataFrame], variants: Sequence[str]) -> Drawing:
    """Error of each variant by the length of the document, with the interval below.

    Args:
        panels: variant, shortest, longest, mean, low and high of each data set, by its title.
        variants: in the order of rows; one that no run of converged is left out.
    """
    errors, ends = {}, {}
    for title, bins in panels.items():
        length = bins["shortest"].map("{:,.0f} to".format) + bins["longest"].map(" {:,.0f}".format)
        written = [f"{percent(row.low).removesuffix('%')}–{percent(row.high)}" for row in bins.itertuples()]
        cells = bins.assign(length=length, written=written)
        errors[title], ends[title] = (
            cells.pivot(index="variant", columns="length", values=of).reindex(
                index=[name for name in variants if name in set(bins["variant"])], columns=length.unique()
            )
            for of in ("mean", "written")
        )
    return heat_maps(errors, "test error", axes=("", "wordpieces in the document"), below=ends)


def _ends(of: pd.DataFrame, written: Callable[[float], str]) -> str:
    """Where the lowest and the highest number stand, in words."""
    cells = of.rename_axis(index="row", columns="column").stack().dropna().sort_values(kind="stable")
    told = [f"{written(value)} for {row} on {column}" for (row, column), value in cells.items()]
    return f"is lowest, {told[0]}, and highest, {told[-1]}" if told else "not measured"
