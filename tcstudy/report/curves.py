"""Figures of errors along an axis: rates, updates, steps of pre-training, labelled documents; they compute nothing."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, PercentFormatter

from tcstudy.experiments.base_rate import rate_name
from tcstudy.report.figures import COLOURS, MARKERS, bands, error_axis


def error_by_rate(ax: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    """Validation error against the learning rate, with intervals as bands.

    Args:
        ax: drawn on.
        lines: rate, mean, low and high, by label.
    """
    bands(ax, lines, "rate")
    error_axis(ax, "validation error")
    _rate_axis(ax, lines)
    ax.legend()


def forgotten_by_rate(ax: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    """By how much fine-tuning raises the MLM loss on general text, with intervals as bands.

    Args:
        ax: drawn on.
        lines: rate, mean, low and high in nats for each masked wordpiece, by label.
    """
    ax.axhline(0, color="grey", linestyle=":")
    bands(ax, lines, "rate")
    _rate_axis(ax, lines)
    ax.set_ylabel("rise of the MLM loss (nats)")
    ax.legend()


def learning_curves(ax: Axes, lines: Mapping[str, pd.DataFrame], order: Sequence[str], title: str) -> None:
    """Validation error against updates, with intervals as bands, cut off where they reach far beyond the means.

    Args:
        ax: drawn on.
        lines: step, mean, low and high, by label.
        order: the order of colours.
        title: of the panel.
    """
    bands(ax, lines, "step", order, markersize=4, whole=False)
    error_axis(ax, "validation error")
    ax.set_xlabel("updates")
    ax.set_title(title)
    ax.label_outer()
    ax.legend()


def error_by_steps(ax: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    """Test error against steps of further pre-training, with intervals as bands.

    Args:
        ax: drawn on.
        lines: steps, mean, low and high, by label.
    """
    bands(ax, lines, "steps")
    error_axis(ax, "test error")
    ax.set_xlabel("steps of further pre-training")
    ax.legend()


def accuracy_by_steps(ax: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    """Accuracy of the MLM and NSP heads on held-out text against steps of further pre-training.

    Args:
        ax: drawn on.
        lines: steps and accuracy, by label.
    """
    for (label, line), colour, marker in zip(lines.items(), COLOURS, MARKERS, strict=False):
        ax.plot(line["steps"], line["accuracy"], color=colour, marker=marker, label=label)
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    ax.set_ylim(0, 1)
    ax.set_xlabel("steps of further pre-training")
    ax.set_ylabel("accuracy on held-out text")
    ax.legend()
    ax.grid(alpha=0.3)


def error_by_documents(ax: Axes, lines: Mapping[str, pd.DataFrame], title: str) -> None:
    """Test error against the number of labelled documents, with intervals as bands.

    Args:
        ax: drawn on.
        lines: labelled, mean, low and high, by label.
        title: of the panel.
    """
    bands(ax, lines, "labelled")
    error_axis(ax, "test error")
    _log_axis(ax, {count: f"{count:,}" for line in lines.values() for count in line["labelled"]})
    ax.set_xlabel("labelled documents")
    ax.set_title(title)
    ax.label_outer()
    ax.legend()


def _rate_axis(ax: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    _log_axis(ax, {rate: rate_name(rate).removeprefix("lr ") for line in lines.values() for rate in line["rate"]})
    ax.set_xlabel("learning rate")


def _log_axis(ax: Axes, ticks: Mapping[float, str]) -> None:
    """A logarithmic horizontal axis with `ticks`, labels by place, and no others."""
    ax.set_xscale("log")
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.xaxis.set_minor_locator(NullLocator())
