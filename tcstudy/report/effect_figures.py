"""Effects with their intervals on one axis: functions of data and an `Axes`; they compute nothing."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

LOOKS = {
    "holds": ("#0072b2", "o"),
    "does not hold": ("#d55e00", "s"),
    "not decided here": ("#777777", "o"),
    "not tested here": ("#777777", "x"),
}
SIDES = {"for": "#0072b2", "against": "#d55e00", "neither": "#777777"}
TICKS = (-1, -0.3, -0.1, -0.05, 0, 0.05, 0.1, 0.3, 1)
LINEAR = 0.1


def effects(ax: Axes, rows: pd.DataFrame) -> None:
    """Each effect as a dot with its interval, coloured by verdict, the paper's as a diamond, others' as triangles.

    Shaded is the side that the claim is on.

    The axis is linear up to `LINEAR` on both sides of zero and logarithmic beyond.

    Args:
        ax: drawn on.
        rows: label, mean, low, high and paper (shares, missing where there is none), smallest, gain and decision; and
            others, if they are to be drawn: shares, each with whether it has an interval.
    """
    _scale(ax)
    for place, row in enumerate(rows.itertuples()):
        if pd.notna(row.smallest):
            claimed = (row.smallest, 1.3) if row.gain else (-1.3, row.smallest)
            ax.fill_betweenx((place - 0.38, place + 0.38), *claimed, color="#56b4e9", alpha=0.15, linewidth=0)
    for decision, (colour, marker) in LOOKS.items():
        chosen = (rows["decision"] == decision).to_numpy()
        places = chosen.nonzero()[0]
        ax.hlines(places, rows["low"][chosen], rows["high"][chosen], color=colour, linewidth=3, alpha=0.5)
        face = "white" if decision == "not decided here" else colour
        ax.plot(rows["mean"][chosen], places, marker, color=colour, markerfacecolor=face, label=decision)
    ax.plot(rows["paper"], range(len(rows)), "D", color="black", markerfacecolor="none", label="the paper")
    if "others" in rows:
        for solid, label in ((True, "others, several seeds"), (False, "others, single runs")):
            drawn = [
                (share, place + 0.28) for place, of in enumerate(rows["others"]) for share, sure in of if sure == solid
            ]
            face = "#009e73" if solid else "none"
            ax.plot(*np.array(drawn).reshape(-1, 2).T, "^", color="#009e73", mfc=face, markersize=4, label=label)
    ax.axvline(0, color="grey", linestyle=":")
    ax.set_yticks(range(len(rows)), rows["label"])
    ax.set_ylim(len(rows) - 0.5, -0.5)  # the first on top
    ax.set_xlabel("share of errors saved; shaded is the side that the claim is on")
    ax.figure.legend(loc="outside upper center", ncols=5, frameon=False)
    ax.grid(axis="x", alpha=0.3)


def _scale(ax: Axes) -> None:
    ax.set_xscale("symlog", linthresh=LINEAR, linscale=1)
    ax.set_xlim(-1.3, 1.3)
    ax.set_xticks(TICKS)
    ax.minorticks_off()
    ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:+.0f}%" if share else "0"))


def forest(figure: Figure, rows: pd.DataFrame) -> None:
    """What others measured: a panel for each part of a claim, a line for each source, encoder and data set.

    A solid mark has an interval, a hollow one has none; the axis is that of `effects`.

    Args:
        figure: drawn on.
        rows: part, label, mean, low, high, side, smallest and gain.
    """
    panels = [(part, list(of.groupby("label", sort=False))) for part, of in rows.groupby("part", sort=False)]
    axes = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False, height_ratios=[len(lines) + 1 for _, lines in panels]
    )[:, 0]
    for ax, (part, lines) in zip(axes, panels, strict=True):
        for place, (_, of) in enumerate(lines):
            claimed = (of["smallest"].iloc[0], 1.3) if of["gain"].iloc[0] else (-1.3, of["smallest"].iloc[0])
            ax.fill_betweenx((place - 0.45, place + 0.45), *claimed, color="#56b4e9", alpha=0.15, linewidth=0)
            apart = np.linspace(-0.25, 0.25, len(of)) if len(of) > 1 else [0.0]
            for shift, row in zip(apart, of.itertuples(), strict=True):
                colour, solid = SIDES[row.side], pd.notna(row.low)
                if solid:
                    ax.hlines(place + shift, row.low, row.high, color=colour, linewidth=2, alpha=0.6)
                ax.plot(row.mean, place + shift, "o", color=colour, markersize=4, mfc=colour if solid else "white")
        ax.set_yticks(range(len(lines)), [label for label, _ in lines], fontsize=8)
        ax.set_ylim(len(lines) - 0.4, -0.6)
        ax.set_title(part, loc="left", fontsize=9, fontweight="bold")
        ax.axvline(0, color="grey", linestyle=":")
        ax.grid(axis="x", alpha=0.3)
        _scale(ax)
    axes[-1].tick_params(axis="x", labelsize=7)
    axes[-1].set_xlabel("errors saved; shaded: the claim's side", fontsize=9)
