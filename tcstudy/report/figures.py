"""Figures: functions of data and an `Axes`; they compute nothing."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def error_ranges(ax: Axes, spread: pd.DataFrame, title: str) -> None:
    """Mean error of each variant as a dot, its range over seeds as a line.

    Args:
        ax: drawn on.
        spread: variant, mean, low and high of one data set.
        title: of the panel.
    """
    places = range(len(spread))
    ax.hlines(places, spread["low"], spread["high"], color=COLOURS[0], linewidth=3, alpha=0.4)
    ax.plot(spread["mean"], places, "o", color=COLOURS[0])
    ax.set_yticks(places, spread["variant"])
    ax.set_ylim(len(spread) - 0.5, -0.5)  # the first variant on top
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ax.set_xlabel("test error")
    ax.set_title(title)
    ax.grid(axis="x", alpha=0.3)


def error_by_length(ax: Axes, bins: pd.DataFrame, variants: Sequence[str], title: str) -> None:
    """Error of each variant against the length of the document.

    Args:
        ax: drawn on.
        bins: variant, shortest, longest and error of one data set.
        variants: the order of colours.
        title: of the panel.
    """
    for variant, colour, marker in zip(variants, COLOURS, MARKERS, strict=False):
        line = bins[bins["variant"] == variant]
        ax.plot(range(len(line)), line["error"], color=colour, marker=marker, label=variant, alpha=0.85)
    ticks = bins[bins["variant"] == bins["variant"].iloc[0]] if len(bins) else bins
    ax.set_xticks(
        range(len(ticks)), [f"{a:.0f} to {b:.0f}" for a, b in zip(ticks["shortest"], ticks["longest"], strict=True)]
    )
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("wordpieces in the document")
    ax.set_ylabel("test error")
    ax.set_title(title)
    ax.grid(alpha=0.3)


def error_by_depth(ax: Axes, lines: dict[str, pd.DataFrame]) -> None:
    """Error of single layers against relative depth, with the range over seeds as a band.

    Args:
        ax: drawn on.
        lines: depth, mean, low and high, by label.
    """
    bands(ax, lines, "depth")
    error_axis(ax, "test error")
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ax.set_xlabel("depth of the layer")
    ax.legend()


def error_differences(ax: Axes, against: pd.DataFrame, title: str) -> None:
    """What each variant changes in the error of its baseline: the mean as a dot, its range over seeds as a line.

    Args:
        ax: drawn on.
        against: variant, mean, low and high of one data set, as shares.
        title: of the panel.
    """
    places = range(len(against))
    ax.axvline(0, color="grey", linestyle=":")
    ax.hlines(places, against["low"], against["high"], color=COLOURS[0], linewidth=3, alpha=0.4)
    ax.plot(against["mean"], places, "o", color=COLOURS[0])
    ax.set_yticks(places, against["variant"])
    ax.set_ylim(len(against) - 0.5, -0.5)  # the first variant on top
    ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:+.1f}"))
    ax.set_xlabel("change of the test error (points)")
    ax.set_title(title)
    ax.grid(axis="x", alpha=0.3)


def length_distribution(ax: Axes, lengths: dict[str, Sequence[int]], limit: int) -> None:
    """Share of texts that are longer than a number of wordpieces, one curve for each data set.

    Args:
        ax: drawn on.
        lengths: by title of the data set, in wordpieces.
        limit: the paper's window, drawn as a line.
    """
    for (title, values), colour in zip(lengths.items(), COLOURS, strict=False):
        ordered = sorted(values)
        longer = [1 - (i + 1) / len(ordered) for i in range(len(ordered))]
        ax.step(ordered, longer, where="post", color=colour, label=title)
    ax.axvline(limit, color="grey", linestyle=":", label=f"{limit} wordpieces")
    ax.set_xscale("log")
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ax.set_xlabel("wordpieces")
    ax.set_ylabel("texts that are longer")
    ax.legend()
    ax.grid(alpha=0.3)


def bands(
    ax: Axes,
    lines: Mapping[str, pd.DataFrame],
    across: str,
    order: Sequence[str] | None = None,
    markersize: float = 6,
) -> None:
    """Means as lines with markers, and what lies between low and high as bands.

    Args:
        ax: drawn on.
        lines: the column `across`, mean, low and high, by label.
        across: the column of the horizontal axis.
        order: the order of colours, for panels that do not have all lines; that of `lines` by default.
        markersize: in points.
    """
    for label, colour, marker in zip(lines if order is None else order, COLOURS, MARKERS, strict=False):
        if label in lines:
            line = lines[label]
            ax.fill_between(line[across], line["low"], line["high"], color=colour, alpha=0.15)
            ax.plot(line[across], line["mean"], color=colour, marker=marker, markersize=markersize, label=label)
    ax.grid(alpha=0.3)


def error_axis(ax: Axes, label: str) -> None:
    """A vertical axis of error rates, as percentages from 0."""
    ax.axhline(0, linewidth=0).sticky_edges.y.append(0)  # not `set_ylim`, which would end the scaling of shared axes
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.set_ylabel(label)
