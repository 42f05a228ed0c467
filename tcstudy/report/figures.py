"""Kinds of figures: functions of data that draw panels, one below the other, and say what is to be seen.

A kind computes nothing but its finding. All figures are vector graphics, with text as text, and so wide that a phone
shows their letters nine pixels high.
"""

import io
import itertools
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from tcstudy.experiments.base import rate_text
from tcstudy.report.tables import duration, minus, percent, points

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", "-", "--", "-.")  # a line on another is seen through its gaps
WIDTH = 5.6
"""Inches; at 380 pixels, what a phone leaves of 420, letters of 10 points are 9.4 pixels high."""
STYLE = {
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "text.parse_math": False,  # names of data sets and classes are shown letter by letter
    "savefig.facecolor": "none",  # the page is the ground, in the dark as well
    "svg.fonttype": "none",
    "svg.hashsalt": "tcstudy",
}

Lines = Mapping[str, pd.DataFrame]
"""A frame for each line, by its label: a column for the horizontal axis, one for the vertical, and low and high."""


@dataclass(frozen=True)
class Drawing:
    """A figure that says its finding: as the title of the picture, and as alternative text in the book.

    Attributes:
        figure: drawn.
        finding: what is to be seen, in words and numbers that were computed from what is drawn.
    """

    figure: Figure
    finding: str

    def __post_init__(self) -> None:
        plt.close(self.figure)  # else a notebook shows it a second time

    def svg(self) -> str:
        """The picture, the same letter by letter whenever it is drawn."""
        file = io.StringIO()
        with mpl.rc_context(STYLE):
            facts = {"Title": self.finding, "Date": None, "Creator": None}
            self.figure.savefig(file, format="svg", metadata=facts)
        # the title once more, in a form for archives, the indentation of each element, names of groups that nothing
        # refers to, and more fonts to choose from
        drawn = re.sub(r"^ +", "", re.sub(r" *<metadata>.*?</metadata>\n", "", file.getvalue(), flags=re.S), flags=re.M)
        drawn = re.sub(r'<g id="[^"]*">', "<g>", drawn)
        drawn = re.sub(r"'DejaVu Sans', [^;\"]*sans-serif", "'DejaVu Sans', Verdana, sans-serif", drawn)
        return re.sub(r"(\.\d)\d{4,}", r"\1", drawn)  # tenths of a point are enough

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, dict]]:
        data = {"image/svg+xml": self.svg(), "text/plain": self.finding}
        return data, {"image/svg+xml": {"alt": self.finding}}


@dataclass(frozen=True)
class Axis:
    """An axis of a figure.

    Attributes:
        column: of the frames.
        label: with the unit.
        written: how a number is written, on the axis and in the finding.
        log: logarithmic.
        ticks: where they are on a logarithmic axis; by default at the numbers that are there, if they are few.
        zero: begins at zero.
        line: has a line at zero.
    """

    column: str
    label: str
    written: Callable[[float], str]
    log: bool = False
    ticks: Sequence[float] = ()
    zero: bool = False
    line: bool = False


def count(number: float) -> str:
    """A count: "4,000"."""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """A number with the three digits that matter: "0.0123", "1,230"."""
    return minus(f"{number:,.3g}") if abs(number) < 1000 else minus(f"{number:,.0f}")


def plain(number: str) -> str:
    """A number on an axis, without decimals that say nothing.

    >>> plain("20.0%"), plain("1.05")
    ('20%', '1.05')
    """
    return re.sub(r"\.0+(?!\d)", "", number)


TEST_ERROR = Axis("mean", "test error", percent, zero=True)
VALIDATION_ERROR = Axis("mean", "validation error", percent, zero=True)
CHANGE = Axis("mean", "change of the test error (points)", points, line=True)
FORGOTTEN = Axis("mean", "rise of the MLM loss (nats)", short, line=True)
ACCURACY = Axis("accuracy", "accuracy on held-out text", percent, zero=True)
RATE = Axis("rate", "learning rate", rate_text, log=True)
UPDATES = Axis("step", "updates", count)
STEPS = Axis("steps", "steps of further pre-training", count)
LABELLED = Axis("labelled", "labelled documents", count, log=True)
DEPTH = Axis("depth", "depth of the layer", lambda share: percent(share, 0))
TIMES = (1 / 3600, 10 / 3600, 1 / 60, 1 / 6, 1, 10, 100, 1000)
HOURS = Axis("hours", "time, making the encoder included", duration, log=True, ticks=TIMES)


@mpl.rc_context(STYLE)
def intervals(panels: Mapping[str, pd.DataFrame], across: Axis = TEST_ERROR) -> Drawing:
    """Means as dots with intervals as lines, a row for each variant; open where compared and not shown to differ.

    For any page that compares variants: `intervals(cells.by_dataset(errors))` with `errors` of `stats.errors`. A dotted
    line is at the mean of what the others are compared with.

    Args:
        panels: variant, mean, low and high of each panel, by its title; reference and differs where there is one.
        across: the axis of the means; `CHANGE` for differences.
    """
    names = {title: [textwrap.fill(name, 26) for name in rows["variant"]] for title, rows in panels.items()}
    heights = [(0.38 if any("\n" in name for name in of) else 0.27) * len(of) + 0.75 for of in names.values()]
    figure, axes = stacked(heights)
    told = []
    for ax, (title, rows) in zip(axes, panels.items(), strict=False):
        places = range(len(rows))
        compared = rows["reference"] if "reference" in rows else pd.Series(index=rows.index, dtype=object)
        shown = compared.isna() | rows.get("differs", False)
        for mean in rows.loc[rows["variant"].isin(compared), "mean"]:
            ax.axvline(mean, color="grey", linestyle=":")
        ax.hlines(places, rows["low"], rows["high"], color=COLOURS[0], linewidth=3, alpha=0.4)
        inside = [COLOURS[0] if one else "white" for one in shown]
        ax.scatter(rows["mean"], places, s=36, facecolors=inside, edgecolors=COLOURS[0], zorder=3)
        ax.set_yticks(places, names[title])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.grid(visible=False, axis="y")
        _scale(ax.xaxis, replace(across, zero=False))
        ax.set(title=textwrap.fill(title, 40), xlabel=across.label)
        told.append(f"{title}: {across.label} {ends(rows, across)}")
        if compared.notna().any():
            differing = ", ".join(rows.loc[compared.notna() & shown, "variant"]) or "none"
            told.append(f"Shown to differ from {' or '.join(compared.dropna().unique())}: {differing}")
    return with_finding(figure, told)


@mpl.rc_context(STYLE)
def lines(
    panels: Mapping[str, Lines], x: Axis | Sequence[Axis], y: Axis | Sequence[Axis], marker: bool = True
) -> Drawing:
    """Means as lines with markers over an axis, and what lies between low and high as bands.

    Args:
        panels: the lines of each panel, by its title; a label has the same colour in all panels.
        x: the horizontal axis, one for all panels or one for each.
        y: the vertical axis, likewise; with one for all, panels share its limits.
        marker: whether there is one at each point.
    """
    labels = list(dict.fromkeys(label for of in panels.values() for label in of))
    looks = dict(zip(labels, itertools.cycle(zip(COLOURS, MARKERS, DASHES, strict=True)), strict=False))
    xs, ys = ([axis] * len(panels) if isinstance(axis, Axis) else list(axis) for axis in (x, y))
    figure, axes = stacked([2.4] * len(panels), sharey=isinstance(y, Axis))
    told = []
    for ax, (title, of), along, up in zip(axes, panels.items(), xs, ys, strict=False):
        for label, line in of.items():
            colour, sign, dashes = looks[label]
            if "low" in line:
                ax.fill_between(line[along.column], line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)
            looks_like = {"color": colour, "marker": sign if marker else None, "linestyle": dashes, "markersize": 5}
            ax.plot(line[along.column], line[up.column], **looks_like)
        _scale(ax.xaxis, along, [place for line in of.values() for place in line[along.column]])
        _scale(ax.yaxis, up)
        ax.set(title=textwrap.fill(title, 52), xlabel=along.label, ylabel=textwrap.fill(up.label, 20))
        courses = "; ".join(f"{label} {_course(line, along, up)}".strip() for label, line in of.items())
        told.append(f"{title}{title and ': '}{up.label} by {along.label}: {courses or 'not measured'}")
    handles = [
        plt.Line2D([], [], color=colour, marker=sign if marker else None, linestyle=dashes, label=label)
        for label, (colour, sign, dashes) in looks.items()
        if label
    ]
    if handles:
        wide = max(map(len, labels)) > 28
        figure.legend(handles=handles, loc="outside lower center", ncols=1 if wide else 2, frameon=False)
    return with_finding(figure, told)


@mpl.rc_context(STYLE)
def bars(panels: Mapping[str, pd.Series], x: Axis, y: Axis) -> Drawing:
    """A bar for each number, which stands on it.

    Args:
        panels: numbers by their place on the horizontal axis, from 0 to 1 in equal steps, by the panel's title.
        x: the horizontal axis.
        y: the vertical axis.
    """
    figure, axes = stacked([2.2] * len(panels))
    told = []
    for ax, (title, numbers) in zip(axes, panels.items(), strict=False):
        drawn = ax.bar(numbers.index, numbers, width=0.8 / max(len(numbers) - 1, 1), color=COLOURS[0])
        ax.bar_label(
            drawn, [y.written(number) for number in numbers], padding=2, rotation=0 if len(numbers) < 12 else 90
        )
        ax.margins(y=0.2)
        ax.grid(visible=False, axis="x")
        _scale(ax.xaxis, x)
        _scale(ax.yaxis, y)
        ax.set(title=title, xlabel=x.label, ylabel=y.label)
        ends = " and ".join(f"{y.written(numbers[place])} at {x.written(place)}" for place in numbers.index[[0, -1]])
        between = y.written(numbers.iloc[1:-1].sum())
        told.append(f"{title}: {y.label} by {x.label}, {ends}, {between} between these")
    return with_finding(figure, told)


@mpl.rc_context(STYLE)
def costs(panels: Mapping[str, pd.DataFrame], by: Axis, up: Axis = TEST_ERROR) -> Drawing:
    """Errors with intervals against cost; methods that no cheaper one beats are joined, and named at the right.

    Args:
        panels: variant, mean, low, high, unbeaten and the column of `by` of each panel, by its title.
        by: `HOURS` or `OPERATIONS`.
        up: the vertical axis.
    """
    figure, axes = stacked([2.3] * len(panels))
    told = []
    for ax, (title, cells) in zip(axes, panels.items(), strict=False):
        known = cells.dropna(subset=by.column)
        for on, colour in ((False, "#999999"), (True, COLOURS[0])):
            some = known[known["unbeaten"] == on]
            ax.vlines(some[by.column], some["low"], some["high"], color=colour, linewidth=2, alpha=0.4)
            ax.plot(some[by.column], some["mean"], "o", color=colour, markersize=6 if on else 4)
        front = known[known["unbeaten"]].sort_values(by.column)
        ax.step(front[by.column], front["mean"], where="post", color=COLOURS[0], alpha=0.6)
        _scale(ax.xaxis, by)
        _scale(ax.yaxis, up)
        ax.margins(x=0.1)
        ax.set(title=title, xlabel=by.label, ylabel=up.label)
        bottom, top = ax.get_ylim()
        names = [textwrap.fill(name, 24) for name in front["variant"]]
        middles = [(mean - bottom) / (top - bottom) for mean in front["mean"]]
        heights = _apart(middles, [0.1 * (1 + name.count("\n")) for name in names])
        for name, height, (_, row) in zip(names, heights, front.iterrows(), strict=True):
            leader = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.7}
            point = (row[by.column], row["mean"])
            ax.annotate(name, point, (1.03, height), textcoords="axes fraction", va="center", arrowprops=leader)
        named = ", ".join(
            f"{row['variant']} ({up.written(row['mean'])} in {by.written(row[by.column])})"
            for _, row in front.iterrows()
        )
        told.append(f"{title}: {up.label} that nothing cheaper reaches: {named or 'not measured'}")
    return with_finding(figure, told)


@mpl.rc_context(STYLE)
def length_distribution(lengths: Mapping[str, Sequence[int]], limit: int) -> Drawing:
    """Share of texts that are longer than a number of wordpieces, one curve for each data set.

    Args:
        lengths: by title of the data set, in wordpieces.
        limit: the paper's window, drawn as a line.
    """
    curves = {}
    for title, values in lengths.items():
        ordered = sorted(values)
        longer = [1 - (i + 1) / len(ordered) for i in range(len(ordered))]
        curves[title] = pd.DataFrame({"length": ordered, "mean": longer}).drop_duplicates("length", keep="last")
    x = Axis("length", "wordpieces", count, log=True)
    drawing = lines({"": curves}, x, Axis("mean", "texts that are longer", percent, zero=True), marker=False)
    [ax] = drawing.figure.axes
    ax.axvline(limit, color="grey", linestyle=":")
    ax.set_xlabel(f"wordpieces; the dotted line is at {limit}")
    beyond = [
        f"{title} {percent(sum(value > limit for value in values) / len(values))}" for title, values in lengths.items()
    ]
    return Drawing(drawing.figure, f"Texts longer than {limit} wordpieces: {', '.join(beyond)}.")


def stacked(heights: Sequence[float], sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """Panels of so many inches, one below the other; one without anything if there are none."""
    figure = Figure(figsize=(WIDTH, max(1.5, sum(heights) + 0.3)), layout="constrained")
    grid = figure.subplots(max(1, len(heights)), 1, sharey=sharey, squeeze=False, height_ratios=list(heights) or [1])
    return figure, list(grid[:, 0])


def with_finding(figure: Figure, told: Sequence[str]) -> Drawing:
    """The figure with what it shows, one sentence for each panel."""
    sentences = (" ".join(sentence.split()) for sentence in told)
    return Drawing(figure, " ".join(f"{sentence}." for sentence in sentences) or "Nothing was measured.")


def _scale(axis: XAxis | YAxis, of: Axis, values: Iterable[float] = ()) -> None:
    """Give an axis of matplotlib its scale, its ticks and how these are written."""
    horizontal = isinstance(axis, XAxis)
    ax = axis.axes
    line = ax.axvline if horizontal else ax.axhline
    if of.zero:
        edges = line(0, linewidth=0).sticky_edges
        (edges.x if horizontal else edges.y).append(0)  # limits of shared axes stay automatic
    if of.line:
        line(0, color="grey", linestyle=":")
    if of.log:
        (ax.set_xscale if horizontal else ax.set_yscale)("log")
        axis.set_minor_locator(NullLocator())
        places, (low, high) = sorted(set(values)), axis.get_view_interval()
        if of.ticks:
            axis.set_major_locator(FixedLocator(of.ticks))
        elif 0 < len(places) < 20:
            axis.set_major_locator(FixedLocator(_spaced(places)))
        else:
            axis.set_major_locator(LogLocator(subs=(1,) if high > 100 * low else (1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda number, _: plain(of.written(number))))


def _spaced(places: Sequence[float], share: float = 0.09) -> list[float]:
    """Those of the ascending places whose numbers do not overprint on a logarithmic axis, the first and last included.

    >>> _spaced([1, 2, 2.1, 8])
    [1, 2, 8]
    """
    least = (places[-1] / places[0]) ** share
    kept = [places[0]]
    for place in places[1:-1]:
        if place >= kept[-1] * least and places[-1] >= place * least:
            kept.append(place)
    return kept + list(places[1:][-1:])


def _apart(middles: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Falling middles between 0 and 1, moved so that what is of these sizes does not overlap.

    >>> [round(middle, 2) for middle in _apart([0.5, 0.45, 0.05, 0.04], [0.1] * 4)]
    [0.5, 0.4, 0.15, 0.05]
    """
    moved: list[float] = []
    for number, (middle, size) in enumerate(zip(middles, sizes, strict=True)):
        lowest = size / 2 + sum(sizes[number + 1 :])
        highest = moved[-1] - (sizes[number - 1] + size) / 2 if moved else 1.0
        moved.append(max(lowest, min(middle, highest)))
    return moved


def ends(rows: pd.DataFrame, axis: Axis) -> str:
    """Which variants have the lowest and the highest mean, in words."""
    ordered = rows.dropna(subset="mean").sort_values("mean", kind="stable")
    written = [
        f"{axis.written(row['mean'])} ({axis.written(row['low'])} to {axis.written(row['high'])}) with {row['variant']}"
        for _, row in ordered.iterrows()
    ]
    if len(written) < 2:
        return " ".join(written) or "not measured"
    return f"is lowest, {written[0]}, and highest, {written[-1]}"


def _course(line: pd.DataFrame, along: Axis, up: Axis) -> str:
    """Where a line begins, where it ends, and where it is lowest, in words."""
    known = line.dropna(subset=up.column)
    if known.empty:
        return "not measured"
    first, last, least = known.iloc[0], known.iloc[-1], known.loc[known[up.column].idxmin()]
    at = [f"{up.written(row[up.column])} at {along.written(row[along.column])}" for row in (first, last, least)]
    return f"from {at[0]} to {at[1]}" + (f", lowest {at[2]}" if at[2] not in at[:2] else "")


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
        told.append(f"{title}: {label} {_ends_of_map(of, written)}")
        if len(of) > NAMED:
            continue
        crowded = len(of.columns) > NUMBERED
        ax.set_yticks(range(len(of.index)), [textwrap.shorten(str(name), 30) for name in of.index])
        room = 56 // max(1, len(of.columns))  # letters beside each other below a column
        names = [
            textwrap.shorten(str(name), 30) if crowded else textwrap.fill(str(name), room, break_long_words=False)
            for name in of.columns
        ]
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


def _ends_of_map(of: pd.DataFrame, written: Callable[[float], str]) -> str:
    """Where the lowest and the highest number stand, in words."""
    cells = of.rename_axis(index="row", columns="column").stack().dropna().sort_values(kind="stable")
    told = [f"{written(value)} for {row} on {column}" for (row, column), value in cells.items()]
    return f"is lowest, {told[0]}, and highest, {told[-1]}" if told else "not measured"
