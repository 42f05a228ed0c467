"""Figures: functions of data and an `Axes`; they compute nothing."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def error_intervals(ax: Axes, errors: pd.DataFrame, title: str) -> None:
    """Mean error of each variant as a dot, its interval as a line; the dot is open where no difference was shown.

    Args:
        ax: drawn on.
        errors: variant, mean, low, high, reference and differs of one data set; a dotted line is drawn at the mean of
            each reference.
        title: of the panel.
    """
    for mean in errors.loc[errors["variant"].isin(errors["reference"]), "mean"]:
        ax.axvline(mean, color="grey", linestyle=":")
    _dots(ax, errors)
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ax.set_xlabel("test error")
    ax.set_title(title)


def _dots(ax: Axes, rows: pd.DataFrame) -> None:
    """Means as dots, from low to high as lines, the first variant on top; open where compared and not `differs`."""
    places = range(len(rows))
    ax.hlines(places, rows["low"], rows["high"], color=COLOURS[0], linewidth=3, alpha=0.4)
    shown = rows["differs"] | rows["reference"].isna()
    inside = [COLOURS[0] if one else "white" for one in shown]
    ax.scatter(rows["mean"], places, s=36, facecolors=inside, edgecolors=COLOURS[0], zorder=3)
    ax.set_yticks(places, rows["variant"])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="x", alpha=0.3)


def error_by_length(ax: Axes, bins: pd.DataFrame, variants: Sequence[str], title: str) -> None:
    """Error of each variant against the length of the document, with intervals beside each other.

    Args:
        ax: drawn on.
        bins: variant, shortest, longest, mean, low and high of one data set.
        variants: the order of colours.
        title: of the panel.
    """
    for number, (variant, colour, marker) in enumerate(zip(variants, COLOURS, MARKERS, strict=False)):
        line = bins[bins["variant"] == variant]
        places = [place + 0.07 * (number - (len(variants) - 1) / 2) for place in range(len(line))]
        ax.vlines(places, line["low"], line["high"], color=colour, linewidth=2, alpha=0.35)
        ax.plot(places, line["mean"], color=colour, marker=marker, markersize=5, label=variant, alpha=0.85)
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
    """Error of single layers against relative depth, with intervals as bands.

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
    """What each variant changes in the error of its baseline: the mean as a dot, its interval as a line.

    Args:
        ax: drawn on.
        against: variant, mean, low, high, reference and differs of one data set, as shares; the dot is open where no
            difference was shown.
        title: of the panel.
    """
    ax.axvline(0, color="grey", linestyle=":")
    _dots(ax, against)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:+.1f}"))
    ax.set_xlabel("change of the test error (points)")
    ax.set_title(title)


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
    whole: bool = True,
) -> None:
    """Means as lines with markers, and what lies between low and high as bands.

    Args:
        ax: drawn on.
        lines: the column `across`, mean, low and high, by label.
        across: the column of the horizontal axis.
        order: the order of colours, for panels that do not have all lines; that of `lines` by default.
        markersize: in points.
        whole: whether the axes hold all of the bands, or are limited by the means.
    """
    for label, colour, marker in zip(lines if order is None else order, COLOURS, MARKERS, strict=False):
        if label in lines:
            line = lines[label]
            limits = ax.dataLim.frozen()
            ax.fill_between(line[across], line["low"], line["high"], color=colour, alpha=0.15)
            if not whole:
                ax.dataLim.set(limits)
            ax.plot(line[across], line["mean"], color=colour, marker=marker, markersize=markersize, label=label)
    ax.grid(alpha=0.3)


def error_axis(ax: Axes, label: str) -> None:
    """A vertical axis of error rates, as percentages from 0."""
    ax.axhline(0, linewidth=0).sticky_edges.y.append(0)  # not `set_ylim`, which would end the scaling of shared axes
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.set_ylabel(label)


def documents_by_wrong(ax: Axes, counts: pd.Series, title: str) -> None:
    """How many test documents are got wrong by which share of the runs, on a logarithmic axis.

    Args:
        ax: drawn on.
        counts: documents by share of runs, from 0 to 1 in equal steps.
        title: of the panel.
    """
    width = 0.8 / max(len(counts) - 1, 1)
    ax.bar(counts.index, counts, width=width, color=COLOURS[0])
    ax.set_yscale("symlog", linthresh=1)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ax.set_xlabel("share of all runs that are wrong")
    ax.set_ylabel("test documents")
    ax.set_title(title)
