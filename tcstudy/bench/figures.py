"""Figures of speed: functions of data and an `Axes`; they compute nothing."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from tcstudy.report.figures import COLOURS, MARKERS


def ratios(ax: Axes, rows: pd.DataFrame) -> None:
    """How many times as fast as each rival the study is: bars from 1, with the range over turns.

    Args:
        ax: drawn on.
        rows: label, median, low and high.
    """
    places = range(len(rows))
    ax.barh(places, rows["median"] - 1, left=1, height=0.6, color=COLOURS[0], alpha=0.7)
    ax.hlines(places, rows["low"], rows["high"], color="black", linewidth=1.5)
    ax.axvline(1, color="grey", linestyle=":")
    ax.set_yticks(places, rows["label"], fontsize="small")
    ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)  # the first on top
    ax.set_xlabel("times as fast")
    ax.grid(axis="x", alpha=0.3)


def speeds(ax: Axes, rows: pd.DataFrame) -> None:
    """Real tokens per second of every side, in groups of bars, with the range over turns.

    Args:
        ax: drawn on.
        rows: comparison, side, median, low and high.
    """
    sides, comparisons = list(rows["side"].unique()), list(rows["comparison"].unique())
    height = 0.8 / max(len(sides), 1)
    for number, (side, colour) in enumerate(zip(sides, COLOURS, strict=False)):
        chosen = rows[rows["side"] == side]
        places = [comparisons.index(name) + height * (number - (len(sides) - 1) / 2) for name in chosen["comparison"]]
        ax.barh(places, chosen["median"], height=height, color=colour, alpha=0.7, label=side)
        ax.hlines(places, chosen["low"], chosen["high"], color="black", linewidth=1.5)
    ax.set_yticks(range(len(comparisons)), comparisons)
    ax.set_ylim(max(len(comparisons), 1) - 0.5, -0.5)  # the first on top
    ax.set_xlabel("real tokens per second")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
    if sides:
        ax.figure.legend(loc="outside upper center", ncols=2, frameon=False)
    ax.grid(axis="x", alpha=0.3)


def growth(ax: Axes, lines: Mapping[str, pd.DataFrame], across: str, label: str, scale: float = 1.0) -> None:
    """Seconds or memory against the amount of work, on logarithmic axes, with the range over turns as a band.

    Args:
        ax: drawn on.
        lines: amount, median, low and high, by title.
        across: what the amounts are.
        label: of the vertical axis.
        scale: what a unit of the vertical axis is worth.
    """
    for (title, line), colour, marker in zip(lines.items(), COLOURS, MARKERS, strict=False):
        ax.fill_between(line["amount"], line["low"] / scale, line["high"] / scale, color=colour, alpha=0.15)
        ax.plot(line["amount"], line["median"] / scale, color=colour, marker=marker, label=title)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,g}"))
    ax.set_xlabel(across)
    ax.set_ylabel(label)
    if lines:
        ax.legend(fontsize="small")
    ax.grid(alpha=0.3)
