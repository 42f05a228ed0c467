import re
from xml.etree import ElementTree

import pytest

from tcstudy.encoding.documents import fractions
from tcstudy.experiments import Layers, LongTexts, WithinTask
from tcstudy.report import drawings
from tcstudy.report.drawings import MARGIN, WIDTH

SVG = "{http://www.w3.org/2000/svg}"
LENGTH = 128
LONG = LongTexts.model_validate(
    {"encoder": {"name": "minilm-l6-uncased"}, "data": [{"name": "imdb"}]} | {"window": {"length": 32}}
)
LAYERS = Layers.model_validate({"encoder": {"name": "minilm-l6-uncased"}, "data": [{"name": "imdb"}]})
WITHIN = WithinTask.model_validate(
    {
        "encoder": {"name": "minilm-l6-uncased"},
        "data": [{"name": "imdb", "train": 1234, "validation": 10, "test": 10}],
        "pretraining": {"steps": 4321},
        "stops": [0, 4321],
    }
)
DRAWN = {
    "windows": drawings.windows(LENGTH, [LONG.window_for(method) for method in LONG.methods]),
    "layers": drawings.layers(LAYERS),
    "stages": drawings.stages(WITHIN),
}


def root(drawing):
    return ElementTree.fromstring(drawing._repr_html_())


def filled(drawing):
    return [box for box in root(drawing).iter(f"{SVG}rect") if box.get("fill") != "none"]


@pytest.mark.parametrize("method", LONG.methods)
def test_drawn_are_the_wordpieces_that_the_encoder_is_given(method):
    """The covered places of the bar are the ids that `fractions` puts between [CLS] and [SEP]."""
    window = LONG.window_for(method)
    seen = [token for part in fractions(range(LENGTH), window, cls=-1, sep=-2) for token in part if token >= 0]
    unit = (WIDTH - 2 * MARGIN) / LENGTH
    drawn = []
    for box in filled(drawings.windows(LENGTH, [window])):
        start = (float(box.get("x")) - MARGIN) / unit
        drawn += range(round(start), round(start + float(box.get("width")) / unit))
    assert drawn == seen


def test_a_document_that_fits_is_read_whole_by_all_in_one_row():
    drawing = drawings.windows(30, [LONG.window_for(method) for method in LONG.methods])
    assert len(filled(drawing)) == 1
    assert "30 of 30 wordpieces in 1 window" in drawing.description


def test_the_layers_drawn_as_read_are_those_of_the_variants():
    depth = LAYERS.depth()
    read = [(0,), (depth // 2,), (depth - 1,), *(LAYERS.members(group) for group in LAYERS.groups)]
    assert len(filled(DRAWN["layers"])) == sum(map(len, read)) + 1  # one in the legend
    for group in LAYERS.groups:
        variant = LAYERS.variants()[f"{group} mean"]["features.layers"]
        assert f"{group}: {', '.join(map(str, variant))}" in DRAWN["layers"].description


def test_the_stages_have_the_values_of_the_experiment():
    text = "".join(root(DRAWN["stages"]).itertext())
    assert "4,321 steps" in text
    assert "1,234 of each set" in text
    assert "at 2e-5, with a classifier on top" in text


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_has_a_title_and_a_description_and_stays_within_its_frame(name):
    drawing = DRAWN[name]
    svg = root(drawing)
    labelled = [svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")]
    assert svg.get("aria-labelledby").split() == [one.get("id") for one in labelled]
    assert all(one.text for one in labelled)
    for box in svg.iter(f"{SVG}rect"):
        assert float(box.get("x")) >= 0 and float(box.get("x")) + float(box.get("width")) <= WIDTH + 1e-6
        assert float(box.get("y")) + float(box.get("height")) <= drawing.height
    for text in svg.iter(f"{SVG}text"):
        assert float(text.get("y")) <= drawing.height
        wide = 7.2 * len(text.text)  # of 13 units, on average a little less
        left = float(text.get("x")) - {"start": 0, "middle": wide / 2}[text.get("text-anchor")]
        assert left >= -5 and left + wide <= WIDTH + 5, text.text


def test_what_comes_from_a_parameter_is_shown_letter_by_letter():
    drawing = drawings.Drawing("x", "<b>", '"&"', 1, [drawings._text(0, 0, "<script>")])
    assert not re.search("<script|<b>", drawing._repr_html_())
    assert [one.text for one in root(drawing)] == ["<b>", '"&"', "<script>"]
