"""Drawings that explain, as SVG made from an experiment's own values; readable on a narrow screen and in the dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tcstudy.catalog.datasets import dataset_title
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.encoding.documents import spans
from tcstudy.experiments.base import PretrainingExperiment, rate_text
from tcstudy.experiments.layers import Layers
from tcstudy.spec import PretrainingSpec, WindowSpec

WIDTH = 400
"""Of every drawing, in its own units: letters of 13 units stay readable where a screen is 400 pixels wide."""
MARGIN, LINE = 10, 18
COLOURS = ("#0072b2", "#e69f00")  # Okabe and Ito; neighbours take turns


@dataclass(frozen=True)
class Drawing:
    """A drawing, which stands in a page and a notebook as it is.

    Attributes:
        name: no other drawing of a page has it.
        title, description: for who does not see it.
        height: in its own units.
        shapes: elements of SVG.
    """

    name: str
    title: str
    description: str
    height: float
    shapes: Sequence[str]

    def _repr_html_(self) -> str:
        named = f"drawing-{self.name}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:g}" role="img" '
            f'aria-labelledby="{named}-title {named}-description" font-family="sans-serif" font-size="13" '
            f'fill="currentColor" stroke="none" style="width: 100%; max-width: 34em; height: auto">'
            f'<title id="{named}-title">{escape(self.title)}</title>'
            f'<desc id="{named}-description">{escape(self.description)}</desc>{"".join(self.shapes)}</svg>'
        )


def _box(x: float, y: float, width: float, height: float, colour: str = "", opacity: float = 1.0) -> str:
    """A rectangle: filled with a colour, or an outline where there is none."""
    look = f'fill="{colour}" fill-opacity="{opacity:g}"' if colour else 'fill="none" stroke="currentColor"'
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" {look}/>'


def _text(x: float, y: float, words: str, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" stroke="currentColor" stroke-opacity="0.6"/>'


def windows(length: int, methods: Sequence[WindowSpec]) -> Drawing:
    """What each method shows the encoder of a document, by the spans that encoding cuts it into.

    Args:
        length: of the document, in wordpieces.
        methods: windows of one length; those that keep the same parts share a row.
    """
    kept: dict[str, tuple[list[str], list[list[tuple[int, int]]]]] = {}
    for window in methods:
        fractions = spans(length, window)
        kept.setdefault(str(fractions), ([], fractions))[0].append(window.method)
    unit = (WIDTH - 2 * MARGIN) / length
    shapes, told, y = [], [], LINE
    for names, fractions in kept.values():
        read = sum(end - start for fraction in fractions for start, end in fraction)
        amount = f"{read:,} of {length:,} wordpieces"
        shapes.append(_text(MARGIN, y, _together(names), bold=True))
        shapes.append(_text(MARGIN, y + LINE, f"{amount}, in {_counted(len(fractions), 'window')}"))
        y += 1.5 * LINE
        shapes.append(_box(MARGIN, y, length * unit, LINE))
        joined = WIDTH / 2, y + 3 * LINE
        for number, fraction in enumerate(fractions):
            for start, end in fraction:
                colour = COLOURS[number % len(COLOURS)]
                shapes.append(_box(MARGIN + start * unit, y, (end - start) * unit, LINE, colour, 0.75))
            if len(fractions) > 1:
                centre = MARGIN + (fraction[0][0] + fraction[-1][1]) / 2 * unit
                shapes.append(_line(centre, y + LINE, joined[0], joined[1] - 0.8 * LINE))
        if len(fractions) > 1:
            shapes.append(_text(*joined, "one [CLS] state each, joined into one", "middle"))
            y += 2.5 * LINE
        told.append(f"{_together(names)}: {amount} in {_counted(len(fractions), 'window')}")
        y += 2.5 * LINE
    title = f"What a window of {methods[0].length} wordpieces lets each method read of a document"
    return Drawing("windows", title, f"{'; '.join(told)}.", y - LINE / 2, shapes)


def layers(experiment: Layers) -> Drawing:
    """Which layers each variant reads: the encoder as a stack for each single layer and each group."""
    depth = experiment.depth()
    columns: dict[str, tuple[int, ...]] = {
        "first": (0,),
        "middle": (depth // 2,),
        "last": (depth - 1,),
        **{group: experiment.members(group) for group in experiment.groups},
    }
    columns = {name: read for name, read in columns.items() if name != "middle" or 0 < read[0] < depth - 1}
    left, top, row = 46, 2.4 * LINE, 18
    wide = (WIDTH - left - MARGIN) / len(columns)
    shapes = [_text(MARGIN, top + (depth - 1 - k) * row + 14, f"{k}") for k in range(depth)]
    shapes.append(_text(MARGIN, LINE, "layer"))
    for number, (name, read) in enumerate(columns.items()):
        x = left + number * wide
        shapes += [
            _text(x + wide / 2 - 3, LINE * (place + 1), word, "middle") for place, word in enumerate(name.split())
        ]
        computed = max(read) + 1
        for k in range(computed):
            y = top + (depth - 1 - k) * row
            shapes.append(_box(x, y, wide - 6, row - 3))
            if k in read:
                shapes.append(_box(x, y, wide - 6, row - 3, COLOURS[0], 0.75))
    y = top + depth * row + LINE
    shapes.append(_box(MARGIN, y - 12, 14, 14, COLOURS[0], 0.75))
    shapes.append(_text(MARGIN + 20, y, "read by the classifier"))
    shapes.append(_box(MARGIN + 190, y - 12, 14, 14))
    shapes.append(_text(MARGIN + 210, y, "computed, not read"))
    told = "; ".join(f"{name}: {', '.join(map(str, read))}" for name, read in columns.items())
    description = f"Of {depth} layers, counted from 0 at the bottom, the classifier reads: {told}."
    return Drawing("layers", "Which layers the classifier reads", description, y + LINE / 2, shapes)


def stages(experiment: PretrainingExperiment) -> Drawing:
    """The three stages of training, with the values of an experiment: from published weights to a classifier."""
    recipe, training = experiment.pretraining, experiment.training
    facts = encoder_facts(experiment.encoder.name, experiment.encoder.revision)
    depth = [f"{facts.layers} layers"] if facts else []
    titles = ", ".join(dataset_title(data.name) for data in experiment.data)
    here = sum(stage.recipe.steps for stage in experiment.encoder.stages if isinstance(stage, PretrainingSpec))
    labels = sorted({f"{data.train:,}" if data.train else "all" for data in experiment.data})
    boxes: Mapping[str, Sequence[str]] = {
        "1. General pre-training": [
            f"general text, by its publishers, then {here:,} steps here"
            if here
            else "general text without labels, by its publishers",
            ", ".join([experiment.encoder.name, *depth]),
        ],
        "2. Further pre-training": [
            "texts of the task without labels, by MLM and NSP",
            f"{recipe.steps:,} steps of {recipe.batch_size} × {recipe.length} wordpieces",
        ],
        "3. Fine-tuning": [
            f"labelled documents of the task: {' or '.join(labels)} of each set",
            f"{_counted(training.epochs, 'epoch')} at {rate_text(training.learning_rate)}, with a classifier on top",
        ],
    }
    shapes, y = [], 6.0
    high = 3.7 * LINE
    for number, (name, lines) in enumerate(boxes.items()):
        if number:
            shapes.append(_line(WIDTH / 2, y - LINE, WIDTH / 2, y))
            shapes.append(f'<path d="M {WIDTH / 2 - 5:g} {y - 7:g} h 10 l -5 7 z"/>')
        shapes.append(_box(MARGIN, y, WIDTH - 2 * MARGIN, high, COLOURS[number == 1], 0.25))
        shapes.append(_text(2 * MARGIN, y + LINE, name, bold=True))
        shapes += [_text(2 * MARGIN, y + LINE * (place + 2), line) for place, line in enumerate(lines)]
        y += high + LINE
    told = " ".join(f"{name}: {'; '.join(lines)}." for name, lines in boxes.items())
    return Drawing("stages", f"The three stages of training: {titles}", told, y - LINE + 6, shapes)


def _together(names: Sequence[str]) -> str:
    """Names of methods in a line, with what they begin with told once."""
    heads = {name.split()[0] for name in names}
    if len(names) > 1 and len(heads) == 1:
        return f"{names[0]}, {', '.join(name.split(maxsplit=1)[1] for name in names[1:])}"
    return ", ".join(names)


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
