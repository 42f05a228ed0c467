"""Effects with their intervals on one axis: functions of data and an `Axes`; they compute nothing."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

LOOKS = {
    "holds": ("#0072b2", "o"),
    "does not hold": ("#d55e00", "s"),
    "not decided here": ("#777777", "o"),
    "not tested here": ("#777777", "x"),
}
TICKS = (-1, -0.3, -0.1, -0.05, 0, 0.05, 0.1, 0.3, 1)
LINEAR = 0.1


def effects(ax: Axes, rows: pd.DataFrame) -> None:
    """Each effect as a dot with its interval, coloured by verdict; the paper's as a diamond; shaded what is claimed.

    The axis is linear up to `LINEAR` on both sides of zero and logarithmic beyond.

    Args:
        ax: drawn on.
        rows: label, mean, low, high and paper (shares, missing where there is none), smallest, gain and decision.
    """
    ax.set_xscale("symlog", linthresh=LINEAR, linscale=1)
    ax.set_xlim(-1.3, 1.3)
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
    ax.axvline(0, color="grey", linestyle=":")
    ax.set_yticks(range(len(rows)), rows["label"])
    ax.set_ylim(len(rows) - 0.5, -0.5)  # the first on top
    ax.set_xticks(TICKS)
    ax.minorticks_off()
    ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:+.0f}%" if share else "0"))
    ax.set_xlabel("share of errors saved; shaded is the side that the claim is on")
    ax.figure.legend(loc="outside upper center", ncols=5, frameon=False)
    ax.grid(axis="x", alpha=0.3)
