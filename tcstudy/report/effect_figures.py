"""Effects with their intervals on one axis, drawn with what is to be seen; they compute nothing but that.

Labels stand inside the axes, above what they name, and a figure is `WIDTH` inches wide, so that letters stay readable
where the page is as narrow as a phone.
"""

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from tcstudy.report.figures import Axis, Drawing, ends, with_finding
from tcstudy.report.tables import percent

LOOKS = {
    "holds": ("#0072b2", "o"),
    "does not hold": ("#d55e00", "s"),
    "not decided here": ("#777777", "o"),
    "not tested here": ("#777777", "x"),
}
SIDES = {"for": "#0072b2", "against": "#d55e00", "neither": "#777777"}
OTHERS = "#009e73"
TICKS = (-1, -0.3, -0.1, 0, 0.1, 0.3, 1)
LINEAR = 0.1
END = 1.3
"""Where the axis ends, on both sides; an arrow stands for what lies beyond."""
WIDTH = 5.2
FONT = 12.0
"""Size of letters in points; on a page 372 pixels wide they have 9."""
LINE = 0.4
"""Inches of a line of a figure, of which there is one for each effect."""
LETTERS = 640
"""As many letters of one point fit into the width."""
_MARGINS = 1.5


def effects(rows: pd.DataFrame, finding: str = "") -> Drawing:
    """Each effect as a dot with its interval, coloured by verdict, the paper's as a diamond, others' as triangles.

    Shaded is the side that the claim is on. The axis is linear up to `LINEAR` on both sides of zero and logarithmic
    beyond; what lies beyond its ends is an arrow there.

    Args:
        rows: label, mean, low, high and paper (shares, missing where there is none), smallest, gain and decision; and
            others, if they are to be drawn: shares, each with whether it has an interval.
        finding: what is to be seen; without it, how many effects have which decision, the lowest and the highest.
    """
    figure = _figure(len(rows))
    ax = figure.subplots()
    _scale(ax)
    for place, row in enumerate(rows.itertuples()):
        if pd.notna(row.smallest):
            _shade(ax, place, row.smallest, row.gain)
        _label(ax, place, row.label)
    for decision, (colour, marker) in LOOKS.items():
        chosen = (rows["decision"] == decision).to_numpy()
        places = chosen.nonzero()[0] + 0.12
        ax.hlines(places, rows["low"][chosen], rows["high"][chosen], color=colour, linewidth=3, alpha=0.5)
        face = "white" if decision == "not decided here" else colour
        ax.plot(rows["mean"][chosen], places, marker, color=colour, markerfacecolor=face, label=decision)
        for name in ("low", "mean", "high"):
            _arrows(ax, rows[name][chosen], places, colour)
    ax.plot(rows["paper"], np.arange(len(rows)) + 0.12, "D", color="black", markerfacecolor="none", label="the paper")
    _arrows(ax, rows["paper"], np.arange(len(rows)) + 0.12, "black")
    if "others" in rows:
        for solid, label in ((True, "others, several seeds"), (False, "others, single runs")):
            drawn = [
                (share, place + 0.34) for place, of in enumerate(rows["others"]) for share, sure in of if sure == solid
            ]
            shares, places = np.array(drawn).reshape(-1, 2).T
            ax.plot(shares, places, "^", color=OTHERS, mfc=OTHERS if solid else "none", markersize=5, label=label)
            _arrows(ax, shares, places, OTHERS)
    _lines(ax, len(rows))
    drawn = {name: mark for mark, name in zip(*ax.get_legend_handles_labels(), strict=True) if _has_marks(mark)}
    figure.legend(
        drawn.values(),
        drawn,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=FONT,
        handletextpad=0.3,
        columnspacing=1.0,
    )
    return with_finding(figure, [finding] if finding else _found(rows, "decision"))


def forest(rows: pd.DataFrame) -> Drawing:
    """What others measured: a panel for each part of a claim, a line for each source, encoder and data set.

    A solid mark has an interval, a hollow one has none; the axis is that of `effects`.

    Args:
        rows: part, label, mean, low, high, side, smallest and gain.
    """
    panels = [(part, list(of.groupby("label", sort=False))) for part, of in rows.groupby("part", sort=False)]
    figure = _figure(sum(len(lines) + 2 for _, lines in panels))
    axes = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False, height_ratios=[len(lines) + 1 for _, lines in panels]
    )[:, 0]
    for ax, (part, lines) in zip(axes, panels, strict=True):
        _scale(ax)
        for place, (label, of) in enumerate(lines):
            _shade(ax, place, of["smallest"].iloc[0], of["gain"].iloc[0])
            _label(ax, place, label, FONT - 2)
            apart = np.linspace(0.0, 0.36, len(of)) if len(of) > 1 else [0.15]
            for shift, row in zip(apart, of.itertuples(), strict=True):
                colour, solid = SIDES[row.side], pd.notna(row.low)
                if solid:
                    ax.hlines(place + shift, row.low, row.high, color=colour, linewidth=2, alpha=0.6)
                ax.plot(row.mean, place + shift, "o", color=colour, markersize=4, mfc=colour if solid else "white")
                _arrows(ax, [row.low, row.mean, row.high], [place + shift] * 3, colour)
        ax.set_title(part, loc="left", fontsize=FONT - 1, fontweight="bold", wrap=True)
        _lines(ax, len(lines))
        if ax is not axes[0]:
            ax.set_xlabel("")
    return with_finding(figure, _found(rows, "side"))


def _figure(lines: int) -> Figure:
    return Figure(figsize=(WIDTH, LINE * max(1, lines) + _MARGINS), layout="constrained")


def _found(rows: pd.DataFrame, groups: str) -> list[str]:
    """How many effects there are of each group, and which are the lowest and the highest."""
    counts = ", ".join(f"{number} {group}" for group, number in rows[groups].value_counts().items())
    saved = Axis("mean", "share of errors saved", percent)
    return [f"{len(rows)} effects: {counts}", f"{saved.label} {ends(rows.assign(variant=rows['label']), saved)}"]


def _has_marks(line: Line2D) -> bool:
    """Whether anything of it is seen."""
    return bool(np.isfinite(np.asarray(line.get_xdata(), dtype=float)).any())


def _scale(ax: Axes) -> None:
    ax.set_xscale("symlog", linthresh=LINEAR, linscale=1)
    ax.set_xlim(-END, END)
    ax.set_xticks(TICKS)
    ax.minorticks_off()
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda share, _: f"{100 * share:+.0f}%".replace("-", "−") if share else "0")
    )


def _shade(ax: Axes, place: float, smallest: float, gain: bool) -> None:
    """Shade the side of an effect that a claim is on."""
    claimed = (smallest, END) if gain else (-END, smallest)
    ax.fill_betweenx((place - 0.46, place + 0.46), *claimed, color="#56b4e9", alpha=0.15, linewidth=0)


def _label(ax: Axes, place: float, text: str, size: float = FONT) -> None:
    """A line's label above it, cut with dots where it is longer than the figure is wide."""
    text = textwrap.shorten(text, int(LETTERS / size), placeholder=" …")
    ax.text(0.01, place - 0.25, text, transform=ax.get_yaxis_transform(), va="center", fontsize=size, clip_on=True)


def _arrows(ax: Axes, shares: Iterable[float], places: Iterable[float], colour: str) -> None:
    """An arrow at the end of the axis for each share that lies beyond it."""
    for share, place in zip(shares, places, strict=True):
        if pd.notna(share) and abs(share) > END:
            side = np.sign(share)
            ax.plot(side * END * 0.93, place, "<" if side < 0 else ">", color=colour, markersize=7, label="_beyond")


def _lines(ax: Axes, number: int) -> None:
    ax.set_yticks([])
    ax.set_ylim(number - 0.5, -0.5)  # the first on top
    ax.axvline(0, color="grey", linestyle=":")
    ax.grid(axis="x", alpha=0.3)
    ax.tick_params(axis="x", labelsize=FONT - 1)
    ax.xaxis.set_label_position("top")
    ax.set_xlabel("◀ worse: more errors          better: fewer errors ▶", fontsize=FONT)
