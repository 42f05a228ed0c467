"""Error against cost: functions of data and an `Axes`; they compute nothing."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

COLOUR = "#0072b2"
LABELS = {"hours": "hours, making the encoder included", "operations": "floating-point operations"}


def error_by_cost(ax: Axes, points: pd.DataFrame, unbeaten: pd.Series, by: str, title: str) -> None:
    """Test error with its interval against cost; methods that no cheaper one beats are named and joined by a line.

    Args:
        ax: drawn on.
        points: variant, mean, low, high and the column `by` of one data set.
        unbeaten: which of them are on the frontier.
        by: hours or operations.
        title: of the panel.
    """
    known = points.dropna(subset=by)
    for on, colour in ((False, "#999999"), (True, COLOUR)):
        some = known[unbeaten[known.index] == on]
        ax.vlines(some[by], some["low"], some["high"], color=colour, linewidth=2, alpha=0.4)
        ax.plot(some[by], some["mean"], "o", color=colour, markersize=6 if on else 4)
    line = known[unbeaten[known.index]].sort_values(by)
    ax.step(line[by], line["mean"], where="post", color=COLOUR, alpha=0.6)
    for point in line.itertuples():
        last = len(line) > 1 and point.Index == line.index[-1]
        side = {"ha": "right", "xytext": (-6, 4)} if last else {"ha": "left", "xytext": (6, 4)}
        ax.annotate(point.variant, (getattr(point, by), point.mean), textcoords="offset points", fontsize=8, **side)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.1)
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.set_xlabel(LABELS[by])
    ax.set_ylabel("test error")
    ax.set_title(title)
    ax.grid(alpha=0.3)
