"""Texts of one's own through the command line: found, compared, kept as a model, used."""

import csv
import os

import jupytext
import nbformat
import numpy as np
import pytest
from transformers import pipeline

from tcstudy.corpora.loading import load_corpus
from tcstudy.experiments.own_texts import OwnTexts
from tcstudy.publish import own
from tcstudy.report.intervals import Estimate
from tcstudy.report.own_texts import Measured, Recommendation
from tcstudy.training.classifiers import Classifier

CLASSES = {"Rückgabe": "market profit bank shares", "=Login()": "film actor music star", "Ort": "match goal team coach"}
FILLER = "the a of and to in it was said with for on".split()
PARAMETERS_FOR = own.parameters_for
COLUMN = "Customer Question (en)"
LONG_NAMES = 12
"""The number of classes, with long names, of a report that is opened in a browser."""
UNPACK = r"""() => document.querySelectorAll('img').forEach(img => {
  const drawing = document.createElement('div');
  drawing.innerHTML = decodeURIComponent(escape(atob(img.src.split(',')[1])));
  img.replaceWith(drawing);
})"""
"""Drawings as elements of the page, in place of images."""
OVERLAPS = r"""() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const all = [...svg.querySelectorAll('text, g[id^=text_]')].map(e => [e, e.getBoundingClientRect()]);
  const bad = [];
  all.forEach(([one, a], i) => all.slice(i + 1).forEach(([other, b]) => {
    if (one.contains(other)) return;
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 1 && y > 1 && !/rotate\((?!-?0[\s,)])/.test(one.outerHTML + other.outerHTML))
      bad.push(`${one.textContent.trim()} over ${other.textContent.trim()}`);
  }));
  return bad;
})"""
"""Pairs of labels in a drawing that overlap; those that are turned have boxes that say nothing."""


def write_tickets(path, rows, seed=0, delimiter=";", encoding="cp1252"):
    """A table as a spreadsheet exports it, of texts that mix words of their class with others."""
    generator = np.random.default_rng(seed)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["Ticket ID", COLUMN, "Category"])
        for row in range(rows):
            label = list(CLASSES)[row % 3]
            words = [*generator.choice(CLASSES[label].split(), 3), *generator.choice(FILLER, 6)]
            writer.writerow([row, " ".join(words) + f" ;{row}", label])


def read_tickets(name):
    with open(name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parameters(path, **more):
    data = {"path": str(path), "text": COLUMN, "label": "Category"}
    small = {"labels": [12, 30], "seeds": [0, 1], "least_updates": 4, "window": {"method": "head-only", "length": 16}}
    return (
        PARAMETERS_FOR(data, own.EncoderSpec(name="tiny"), quick=True)
        | small
        | {
            "pretraining": {"steps": 3, "batch_size": 4, "length": 16},
            "training": {"learning_rate": 0.02, "batch_size": 8, "epochs": 3},
        }
        | more
    )


def test_parameters_follow_from_the_texts(tmp_path):
    write_tickets(tmp_path / "t.csv", 90)
    chosen = own.parameters_for(
        {"path": str(tmp_path / "t.csv"), "text": COLUMN, "label": "Category"}, own.EncoderSpec(name="tiny")
    )
    experiment = OwnTexts.parse(chosen, "x")
    assert experiment.window.length == 32  # the texts have some ten words
    assert experiment.window.method == "head-only"
    assert experiment.features.pooler
    assert experiment.sizes() == [32, 65]  # 72 to train on, less a tenth for validation; half of them
    assert len(experiment.runs()) == 2 * 3 * 5
    assert {
        run.encoder.stages[0].recipe.seed
        for run in experiment.runs().values()
        if getattr(run, "encoder", None) and run.encoder.stages
    } == {*range(5)}  # each run with an encoder of its own


def test_the_cell_of_parameters_names_every_parameter_of_the_page():
    [cell] = [cell for cell in jupytext.read(own.PAGE).cells if "parameters" in cell.metadata.get("tags", [])]
    names: dict = {}
    exec(cell.source, names)
    assert set(names) - {"__builtins__"} == set(OwnTexts.model_fields)


def test_each_method_trains_on_the_same_documents_of_a_draw_and_is_compared_with_the_next_cheaper(tmp_path):
    write_tickets(tmp_path / "t.csv", 90)
    experiment = OwnTexts.parse(parameters(tmp_path / "t.csv"), "x")
    runs = experiment.runs()
    assert len(runs) == 3 * 3 * 2
    for seed in (0, 1):
        for size in experiment.sizes():
            assert (
                len({run.data for key, run in runs.items() if key.seed == seed and f" {size} labels" in key.variant})
                == 1
            )
    assert {*experiment.compared(), *experiment.compared().values()} == {key.variant for key in runs}


def test_a_card_shows_names_letter_by_letter_and_says_what_the_error_is_of(tmp_path):
    names = {"<b>Ort</b>": "*x*", "`Ort`": "y"}
    rows = "".join(f"{label},{word} {row}\n" for row in range(20) for label, word in names.items())
    (tmp_path / "a [link](b).csv").write_text(f"Category,{COLUMN}\n{rows}", encoding="utf-8")
    experiment = OwnTexts.parse(parameters(tmp_path / "a [link](b).csv", labels=[8]), "x")
    error = Estimate(0.125, 0.05, 0.25, None, 3, 8)
    card = own.model_card(
        experiment,
        Recommendation("fine-tuning", "fine-tuning", "It is the only one."),
        Measured("fine-tuning", 29, (), error, error),
        40,
        [COLUMN],
        plain=True,
    )
    assert "# a \\[link\\](b)" in card
    assert "\\<b\\>Ort\\</b\\>, &#96;Ort&#96;." in card
    assert "12.5% of held-out texts (5.0% to 25.0%, a 95% interval over\n3 draws" in card
    assert "trained on all 40, including the test documents" in card


def test_predictions_of_a_table_without_the_column_begin_with_nothing(tmp_path, call, spec):
    classes = load_corpus(spec.data)
    Classifier.train(spec, classes.train, classes.facts.classes, ("body",)).save(tmp_path / "model")
    (tmp_path / "t.csv").write_text("text\nmatch goal\n", encoding="utf-8")
    called = call("predict", tmp_path / "model", tmp_path / "t.csv")
    assert (called.status, called.out) == (2, "")
    assert "t.csv has no column 'body'; it has 'text'" in called.err
    called = call("predict", tmp_path / "model", tmp_path / "t.csv", "--text", "text")
    assert [line.partition(",")[0] for line in called.out.splitlines()] == ["row", "1"]


def test_predictions_keep_their_rows_and_spare_what_is_there(tmp_path, call, spec):
    classes = load_corpus(spec.data)
    model, texts, link, pipe = (tmp_path / name for name in ("model", "t.csv", "link.csv", "pipe"))
    Classifier.train(spec, classes.train, classes.facts.classes, ("text",)).save(model)
    texts.write_text("text\nmatch goal\n\nshare price\n", encoding="utf-8")
    called = call("predict", model, texts)
    assert [line.split(",")[0] for line in called.out.splitlines()] == ["row", "1", "2", "3"]
    assert called.out.splitlines()[2] == "2,,"
    assert "1 of 3 rows have no text" in called.err
    called = call("predict", model, texts, "--output", texts)
    assert called.status == 2
    assert "would be lost" in called.err
    assert texts.read_text(encoding="utf-8").startswith("text\n")
    link.symlink_to(tmp_path / "out.csv")
    call("predict", model, texts, "--output", link)
    assert link.is_symlink()
    assert (tmp_path / "out.csv").read_text().startswith("row,label")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    call("predict", model, texts, "--output", pipe)
    assert pipe.is_fifo()
    assert os.read(reader, 100).startswith(b"row,label")
    os.close(reader)
    reader, writer = os.pipe()  # as /dev/stdout is one
    assert call("predict", model, texts, "--output", f"/dev/fd/{writer}").status == 0
    assert os.read(reader, 100).startswith(b"row,label")
    os.close(reader)
    os.close(writer)


def test_the_report_asks_nothing_of_the_network_and_takes_no_dollars_for_formulas():
    outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": "<p>paid $5, not $10</p>"}),
        nbformat.v4.new_output("stream", name="stderr", text="run 1 of 12"),
    ]
    executed = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("hidden", outputs=outputs)])
    shown = own.as_html(executed)
    assert "<p>paid $5, not $10</p>" in shown
    assert not any(told in shown for told in ("<script", 'src="http', "run 1 of 12", "hidden</"))


@pytest.mark.slow
def test_a_table_through_the_whole_command(tmp_path, call, monkeypatch, capsys):
    write_tickets(tmp_path / "tickets.csv", 120)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tcstudy.publish.own.parameters_for", lambda data, *_: parameters(tmp_path / "tickets.csv"))
    called = call("apply", "tickets.csv", "--text", COLUMN, "--label", "Category", "--encoder", "tiny", "--quick")
    assert called.status == 0, called.err
    assert "3: =Login(), Ort, Rückgabe" in called.out
    assert "runs still to be made" in called.out
    folder = tmp_path / "tickets_classifier"
    shown = (folder / "report.html").read_text()
    for told in (
        "Recommendation",
        "Methods with all labels",
        "Would more than",
        "Texts that every method gets wrong",
        "image/svg+xml",
    ):
        assert told in shown
    card = (folder / "model" / "README.md").read_text()
    assert "=Login(), Ort, Rückgabe" in card and "95%" in card and "120" in card

    write_tickets(tmp_path / "new.csv", 1100, seed=5, delimiter=",", encoding="utf-8")
    called = call("predict", folder / "model", "new.csv", "--output", "out.csv")
    assert called.status == 0, called.err
    rows = read_tickets("out.csv")
    assert [row["row"] for row in rows] == [str(number) for number in range(1, 1101)]
    texts = [" ".join(row[COLUMN].split()) for row in read_tickets("new.csv")]
    plain = pipeline("text-classification", str(folder / "model"), device="cpu")(texts[:20], truncation=True)
    assert [row["label"] for row in rows[:20]] == [answer["label"] for answer in plain]
    assert [float(row["probability"]) for row in rows[:20]] == pytest.approx([a["score"] for a in plain], abs=2e-6)
    right = np.mean([row["label"] == list(CLASSES)[number % 3] for number, row in enumerate(rows)])
    assert right > 0.6  # chance is a third
    assert all(1 / 3 - 1e-6 <= float(row["probability"]) <= 1 for row in rows)

    again = call("apply", "tickets.csv", "--text", COLUMN, "--label", "Category", "--encoder", "tiny", "--check")
    assert "0 of 18 runs still to be made" in again.out


@pytest.mark.browser
@pytest.mark.slow
def test_the_report_fits_wide_and_narrow_windows_and_no_labels_overlap(tmp_path, browser):
    path = tmp_path / "tickets.csv"
    words = [*CLASSES.values()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([COLUMN, "Category"])
        for row in range(LONG_NAMES * 8):
            writer.writerow(
                [f"{words[row % 3]} {'x' * 200} {row}", f"Rückfrage zur Bestellung <b>{row % LONG_NAMES}</b>"]
            )
    report = own.write_report(parameters(path, labels=[30]), tmp_path / "made")
    found = {}
    for width in (1300, 420):
        page = browser.new_page(viewport={"width": width, "height": 1000})
        wrong = []
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(error.message))
        page.on("console", lambda told, wrong=wrong: wrong.append(told.text) if told.type == "error" else None)
        page.on(
            "request", lambda asked, wrong=wrong: asked.url.startswith(("file:", "data:")) or wrong.append(asked.url)
        )
        page.goto(report.as_uri())
        if (more := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            wrong.append(f"{more} px wider than the window")
        assert page.locator("img").count() == 2
        beyond = "all => all.filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.innerText || e.alt)"
        wrong += page.eval_on_selector_all("img, table" if width > 1000 else "img", beyond)
        page.evaluate(UNPACK)
        assert page.locator("svg text").count() > LONG_NAMES
        wrong += page.evaluate(OVERLAPS)
        assert page.locator("b", has_text="0").count() == 0  # a class is shown letter by letter
        found[width] = wrong
        page.close()
    assert found == {1300: [], 420: []}


def test_mistakes_on_the_command_line_are_sentences(tmp_path, call):
    write_tickets(tmp_path / "t.csv", 60)
    for name in ("kept/model/classifier.json", "other/model/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    ticket = ("apply", tmp_path / "t.csv", "--label", "Category", "--text", COLUMN)
    for arguments, told in [
        (("apply", tmp_path / "none.csv", "--label", "Category"), "none.csv does not exist"),
        (("apply", tmp_path / "t.csv", "--label", "Kategorie", "--text", COLUMN), "no column 'Kategorie'"),
        (
            ("apply", tmp_path / "t.csv", "--label", "Category", "--text", COLUMN, "--encoder", "bert-bas"),
            "not an encoder",
        ),
        (("apply", "no/set", "--label", "Category"), "give `revision` as well"),
        (("predict", tmp_path, tmp_path / "t.csv"), "is not the folder of a classifier"),
        (("predict", tmp_path / "kept", tmp_path / "t.csv"), f"the model is in {tmp_path / 'kept' / 'model'}"),
        ((*ticket, "--encoder", tmp_path / "kept"), "holds no config.json"),
        ((*ticket, "--encoder", "./nope"), "there is no folder nope"),
        ((*ticket, "--check", "--output", tmp_path / "other"), "model holds other files"),
        ((*ticket, "--check", "--output", tmp_path / "t.csv"), "t.csv is a file"),
    ]:
        called = call(*arguments)
        assert called.status == 2
        assert told in called.err
        assert len(called.err.splitlines()) == 1
