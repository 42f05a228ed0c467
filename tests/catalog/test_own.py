"""Texts of one's own: what is read of files of all kinds, how they are split, and what is said of bad ones."""

import csv
import io
import json
import time
import unicodedata

import numpy as np
import pandas as pd
import pytest

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.rows import read_rows
from tcstudy.corpora.loading import load_corpus, load_source
from tcstudy.corpora.text import load_text
from tcstudy.errors import StudyError
from tcstudy.experiments.own_texts import OwnTexts
from tcstudy.experiments.within_task import WithinTask
from tcstudy.spec import DataSpec, RunSpec

LABELS = ("Rückgabe", "Login")
TEXT = "Customer Question (en)"


def tickets(number=40, labels=LABELS):
    return [(f'Frage {row}, wo ist "{labels[row % len(labels)]}"?', labels[row % len(labels)]) for row in range(number)]


def as_csv(rows, delimiter=",", head=("Ticket ID", TEXT, "Category")):
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerow(head)
    writer.writerows((number, *row) for number, row in enumerate(rows))
    return written.getvalue()


def spec(path, **more):
    return DataSpec.parse({"path": str(path), "text": TEXT, "label": "Category", **more}, "x")


def content(data):
    source = load_source(data.name)
    return {
        part: sorted((row["text"], source.facts.classes[row["label"]]) for row in getattr(source, part))
        for part in ("train", "test")
    }


WRITERS = {
    "utf8.csv": lambda path: path.write_text(as_csv(tickets()), encoding="utf-8"),
    "bom.csv": lambda path: path.write_text(as_csv(tickets()), encoding="utf-8-sig"),
    "excel.csv": lambda path: path.write_text("sep=;\r\n" + as_csv(tickets(), ";"), encoding="cp1252", newline=""),
    "german.csv": lambda path: path.write_text(as_csv(tickets(), ";"), encoding="cp1252"),
    "utf16.csv": lambda path: path.write_text(as_csv(tickets(), "\t"), encoding="utf-16"),
    "tabs.tsv": lambda path: path.write_text(as_csv(tickets(), "\t"), encoding="utf-8"),
    "lines.jsonl": lambda path: path.write_text(
        "\n".join(json.dumps({TEXT: text, "Category": label}) for text, label in tickets())
    ),
    "table.parquet": lambda path: pd.DataFrame(tickets(), columns=[TEXT, "Category"]).to_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_and_encoding_gives_the_same_set(tmp_path, name):
    (tmp_path / "plain.csv").write_text(as_csv(tickets()), encoding="utf-8")
    WRITERS[name](tmp_path / name)
    data = spec(tmp_path / name)
    assert data.name == spec(tmp_path / "plain.csv").name
    facts = dataset_facts(data.name)
    assert facts.classes == ("Login", "Rückgabe")
    assert (facts.train, facts.test) == (32, 8)
    assert sorted(row for part in content(data).values() for row in part) == sorted(tickets())


def test_other_content_under_the_same_path_is_another_run(tmp_path):
    path = tmp_path / "tickets.csv"

    def run():
        return RunSpec.model_validate(
            {
                "data": {"path": str(path), "text": TEXT, "label": "Category"},
                "encoder": {"name": "tiny"},
                "window": {"length": 16},
            }
        )

    path.write_text(as_csv(tickets()), encoding="utf-8")
    first = run()
    assert run().id == first.id
    path.write_text(as_csv([*tickets(), ("one more", "Login")]), encoding="utf-8")
    assert run().id != first.id
    path.write_text(as_csv([(text, LABELS[label == LABELS[0]]) for text, label in tickets()]), encoding="utf-8")
    assert run().id != first.id


def test_a_fifth_of_each_class_is_tested_whatever_the_order_of_rows_and_equal_texts_stay_together(tmp_path):
    rows = [*tickets(50), *[("Same text", "Login"), ("same  TEXT!", "Login")] * 3]
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(as_csv(rows), encoding="utf-8")
    second.write_text(as_csv(rows[::-1]), encoding="utf-8")
    assert content(spec(first)) == content(spec(second))
    source = load_source(spec(first).name)
    assert not np.isin(source.train_keys, source.test_keys).any()
    shares = [np.mean(np.array(source.test["label"]) == label) for label in (0, 1)]
    assert shares == pytest.approx([31 / 56, 25 / 56], abs=0.15)
    corpora = [load_corpus(spec(first, train=10, draw=draw)) for draw in (0, 1)]
    assert corpora[0].test["text"] == corpora[1].test["text"]
    assert sorted(corpora[0].train["text"]) != sorted(corpora[1].train["text"])


def test_a_folder_keeps_its_own_split_and_several_columns_are_joined(tmp_path):
    for part, size in (("train", 30), ("test", 6)):
        table = pd.DataFrame(tickets(size), columns=["body", "y"]).assign(title=[f"{part} {i}" for i in range(size)])
        table.loc[0, "title"] = None
        table.assign(y=table["y"].map({"Login": 10, "Rückgabe": 9})).to_json(
            tmp_path / f"{part}.jsonl", orient="records", lines=True
        )
    data = DataSpec.parse({"path": str(tmp_path), "text": ["title", "body"], "label": "y"}, "x")
    source = load_source(data.name)
    assert source.facts.classes == ("9", "10")  # numbers in their order
    assert (len(source.train), len(source.test)) == (29, 6)  # the first texts, without a title, are equal
    assert source.test["text"][:2] == [tickets()[0][0], "test 1 " + tickets()[1][0]]


def test_what_is_odd_is_counted_and_told(tmp_path):
    rows = [*tickets(30), ("twice", "Login"), ("Twice!", "Rückgabe"), ("", "Login"), ("no label", "")]
    (tmp_path / "t.csv").write_text(as_csv(rows), encoding="cp1252")
    told = dataset_facts(spec(tmp_path / "t.csv").name).source
    assert "2 rows without text or label left out" in told
    assert "1 row repeats the text of another" in told
    assert "1 text has several different labels" in told
    assert "t.csv was read as Windows-1252" in told


UTF8 = as_csv([*tickets(), ("\N{EN DASH} Größe, Übergröße", "Login")]).encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (UTF8.replace(b"Gr", b"\xe4Gr"), f"line 42: the byte 0xe4 at offset {UTF8.rindex(b'Gr'):,} is not"),
        (UTF8[: UTF8.rindex(b"\x9f")], "line 42: the byte 0xc3"),
        (b"\xef\xbb\xbf" + UTF8.replace(b"Ticket", b"T\xfccket"), "line 1: the byte 0xfc at offset 4 is not valid"),
        (as_csv(tickets()).encode("cp850"), "is neither UTF-8 nor Windows-1252 text"),
    ],
    ids=["one byte", "cut", "marked", "of neither"],
)
def test_damaged_utf8_is_told_by_line_and_byte_and_not_read_as_something_else(tmp_path, content, told):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(StudyError) as caught:
        spec(tmp_path / "t.csv")
    assert told in str(caught.value)
    assert str(caught.value).endswith("as CSV in UTF-8.")


def test_umlauts_of_windows_that_happen_to_be_valid_utf8_are_still_those_of_windows(tmp_path):
    rows = [*tickets(), ("Die \N{DOUBLE LOW-9 QUOTATION MARK}SPÖ\N{LEFT DOUBLE QUOTATION MARK} wählt", "Login")]
    (tmp_path / "t.csv").write_text(as_csv(rows), encoding="cp1252")
    assert b"\xd6\x93" in (tmp_path / "t.csv").read_bytes()
    texts = {text for part in content(spec(tmp_path / "t.csv")).values() for text, _ in part}
    assert rows[-1][0] in texts


@pytest.mark.parametrize("part", ["label", "text", "column"])
def test_an_umlaut_of_two_characters_is_the_same_as_one(tmp_path, part):
    def apart(text, wanted):
        return unicodedata.normalize("NFD", text) if part == wanted else text

    rows = [
        (apart(f"Grüße {number}", "text"), apart(label, "label") if number % 4 == 0 else label)
        for number, (_, label) in enumerate(tickets())
    ]
    (tmp_path / "t.csv").write_text(as_csv(rows, head=("ID", apart("Fräge", "column"), "Category")), encoding="utf-8")
    data = DataSpec.parse({"path": str(tmp_path / "t.csv"), "text": "Fräge", "label": "Category"}, "x")
    assert dataset_facts(data.name).classes == ("Login", "Rückgabe")
    assert {text for of in content(data).values() for text, _ in of} == {f"Grüße {number}" for number in range(40)}


def test_training_rows_whose_text_is_tested_are_left_out_counted_and_not_among_the_labels_to_train_on(tmp_path):
    rows = [(f"text {number} of {label}", label) for number, (_, label) in enumerate(tickets(60))]
    for part, own in (("train", rows[:50]), ("test", rows[40:])):
        (tmp_path / f"{part}.csv").write_text(as_csv(own), encoding="utf-8")
    facts = dataset_facts(spec(tmp_path).name)
    assert (facts.train, facts.test) == (40, 20)
    assert "10 rows repeat the text of another" in facts.source
    assert "10 training rows with the text of a test document left out" in facts.source
    page = OwnTexts.parse(
        {
            "encoder": {"name": "tiny"},
            "data": [{"path": str(tmp_path), "text": TEXT, "label": "Category"}],
            "window": {"length": 16},
            "labels": [10, 36, 40],
        },
        "x",
    )
    assert page.sizes() == [10, 36]  # four are for validation
    largest = next(run for key, run in page.runs().items() if key.variant == "fine-tuning, 36 labels")
    assert len(load_corpus(largest.data).train) == 36


def test_unlabelled_texts_go_to_further_pretraining_without_those_that_are_tested(tmp_path):
    (tmp_path / "t.csv").write_text(as_csv(tickets()), encoding="utf-8")
    tested = content(spec(tmp_path / "t.csv"))["test"][0][0]
    more = [f"more text number {number}" for number in range(7)]
    (tmp_path / "more.jsonl").write_text("\n".join(json.dumps({"body": text}) for text in [*more, tested]))
    unlabelled = {"path": str(tmp_path / "more.jsonl"), "text": "body"}
    data = {"path": str(tmp_path / "t.csv"), "text": TEXT, "label": "Category", "unlabelled": unlabelled}
    page = WithinTask.parse(
        {"encoder": {"name": "tiny"}, "data": [data], "stops": [0, 2], "window": {"length": 16}}, "x"
    )
    plain, pretrained = page.runs().values()
    assert plain.data.unlabelled is None and plain.data == pretrained.data
    text = load_text(pretrained.encoder.stages[0])
    used = {one.found: (one.used, one.removed) for one in text.report.sets}
    assert used[32] == (32, {})
    assert used[8] == (7, {data_name(plain): 1})
    with pytest.raises(StudyError, match="has no classes"):
        DataSpec.parse(unlabelled, "x")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"labels": "Category"}, "x: 'labels' is not a key of your own texts; did you mean 'label'?"),
        ({"trian": 10}, "x: 'trian' is not a key of your own texts; did you mean 'train'?"),
        (
            {"unlabelled": {"path": "t.csv", "text": TEXT, "documents": 5}},
            "x: unlabelled: 'documents' is not a key of unlabelled texts, all of which are read",
        ),
        ({"unlabelled": {"text": TEXT}}, "x: unlabelled: `path` is needed: the file of the texts"),
        ({"unlabelled": {"path": "t.csv", "text": "body"}}, "x: unlabelled: t.csv has no column 'body'"),
    ],
)
def test_a_wrong_key_is_told_with_what_it_may_have_meant(tmp_path, monkeypatch, more, told):
    (tmp_path / "t.csv").write_text(as_csv(tickets()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError) as caught:
        spec("t.csv", **more)
    assert str(caught.value).startswith(told)


def data_name(run):
    return run.data.name


BAD = {
    "no file": (None, "does not exist"),
    "empty": ("", "t.csv is empty: its first line should hold the names of the columns"),
    "blank line above": ("\n" + as_csv(tickets()), "t.csv: its first line is empty, but should hold the names"),
    "name over two lines": (
        as_csv(tickets(), head=("Ticket ID", TEXT.replace(" (", "\n("), "Category")),
        r"did you mean 'Customer Question\n(en)'?",
    ),
    "only a head": (as_csv([]), "has no rows"),
    "one row": (as_csv(tickets(1)), "every label in the column 'Category' is 'Rückgabe'"),
    "wrong name": (
        as_csv(tickets(), head=("Ticket ID", "Customer Question", "Category")),
        "did you mean 'Customer Question'",
    ),
    "column twice": (as_csv(tickets(), head=("Category", TEXT, "Category")), "2 columns named 'Category'"),
    "empty texts": (as_csv([("", label) for _, label in tickets()]), "is empty in 40 of its 40 rows"),
    "empty labels": (as_csv([(text, "") for text, _ in tickets()]), "'Category' is empty in 40 of its 40 rows"),
    "10,000 classes": (
        as_csv([(f"text {n}", f"class {n % 10_000}") for n in range(20_000)]),
        "10,000 different labels",
    ),
    "few documents": (as_csv([*tickets(), ("rare", "Refund")]), "too few: 'Refund' 1"),
    "one class": (as_csv(tickets(labels=("Login",))), "every label in the column"),
    "open quote": (as_csv(tickets()) + '41,"never closed,Login\n', "quotation marks do not match"),
    "more values": (as_csv(tickets()) + "41,a text, with commas,Login\n", "line 42: 4 values, but there are 3 columns"),
    "same text": (as_csv([("always this", label) for _, label in tickets()]), "two different training texts"),
}


def test_texts_that_are_all_tested_leave_nothing_to_train_on(tmp_path):
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text(as_csv(tickets()), encoding="utf-8")
    with pytest.raises(StudyError, match="; 40 training rows with the text of a test document do not count"):
        spec(tmp_path)


def test_a_language_is_a_code(tmp_path):
    (tmp_path / "t.csv").write_text(as_csv(tickets()), encoding="utf-8")
    with pytest.raises(StudyError, match="'German' is not an ISO 639-1 code: two small letters, such as en or de"):
        spec(tmp_path / "t.csv", language="German")


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_end_in_a_sentence(tmp_path, case):
    content, told = BAD[case]
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        spec(path)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("nul.csv", as_csv(tickets()).encode() + b"41,\x00,Login\n", "NUL"),
        ("utf16.csv", as_csv(tickets()).encode("utf-16-le"), "NUL"),
        ("zip.xlsx", b"PK\x03\x04", "save the table as CSV"),
        ("bad.parquet", b"PAR1 no", "cannot be read as Parquet"),
        ("bad.jsonl", b'{"Category": 1,\n', "line 1: not valid JSON"),
        ("list.jsonl", b"[1, 2]\n", "each line should hold an object"),
        ("deep.jsonl", b"[" * 100_000, "not valid JSON"),
        ("odd.jsonl", json.dumps({TEXT: ["a"], "Category": "b"}).encode(), "is not text"),
        ("float.jsonl", json.dumps({TEXT: "a", "Category": 0.5}).encode(), "neither text nor a whole number"),
    ],
)
def test_other_files_end_in_a_sentence(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=told):
        spec(tmp_path / name)


def test_huge_cells_formulas_and_controls_are_texts_like_others(tmp_path):
    odd = [
        "x" * 5_000_000,
        '=HYPERLINK("http://example.org")',
        "bell \x07 and \x1b[31m red",
        "<script>alert(1)</script>",
    ]
    rows = [*tickets(), *[(text, "Login") for text in odd]]
    (tmp_path / "t.csv").write_text(as_csv(rows), encoding="utf-8")
    texts = {text for part in content(spec(tmp_path / "t.csv")).values() for text, _ in part}
    assert texts >= set(odd)


def test_a_set_that_was_never_read_here_is_told():
    with pytest.raises(StudyError, match="has not read yet"):
        dataset_facts("own-0123456789ab")


def test_a_set_of_the_hub_is_read_at_a_revision_with_the_names_of_its_classes(monkeypatch):
    import datasets

    asked = []

    def load(path, revision):
        asked.append((path, revision))
        features = datasets.Features({"body": datasets.Value("string"), "y": datasets.ClassLabel(names=["no", "yes"])})
        rows = {
            "body": [f"text {number}" for number in range(22)],
            "y": [number % 2 for number in range(20)] + [-1, -1],
        }
        return datasets.DatasetDict(train=datasets.Dataset.from_dict(rows, features=features))

    monkeypatch.setattr(datasets, "load_dataset", load)
    given = {"path": "owner/mails", "revision": "0123abc", "text": "body", "label": "y"}
    facts = dataset_facts(DataSpec.parse(given, "x").name)
    assert asked == [("owner/mails", "0123abc")]
    assert (facts.title, facts.classes, facts.train, facts.test) == ("mails", ("no", "yes"), 16, 4)
    assert "2 rows without text or label left out" in facts.source  # -1 is no class of the hub's
    with pytest.raises(StudyError, match="no column 'label'"):
        DataSpec.parse(given | {"label": "label"}, "x")


def test_without_a_network_a_set_of_the_hub_is_not_waited_for(monkeypatch, capfd):
    import datasets
    import huggingface_hub.constants as hub

    for where, name, value in [
        (hub, "HF_HUB_OFFLINE", False),
        (datasets.config, "HF_HUB_OFFLINE", False),
        (hub, "ENDPOINT", "http://127.0.0.1:9"),  # where nobody answers
        (time, "sleep", lambda seconds: pytest.fail("it waits to ask again")),
    ]:
        monkeypatch.setattr(where, name, value)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StudyError, match="owner/letters at 0123abc cannot be loaded from the hub"):
        DataSpec.parse({"path": "owner/letters", "revision": "0123abc", "text": "body", "label": "y"}, "x")
    assert "Retrying" not in capfd.readouterr().err


def test_columns_are_checked_in_the_first_row_that_is_not_blank(tmp_path):
    (tmp_path / "t.jsonl").write_text("\n" + json.dumps({"txt": "a", "Category": "b"}))
    with pytest.raises(StudyError, match="has no column"):
        DataSpec.parse({"path": str(tmp_path / "t.jsonl"), "text": "text", "label": "Category"}, "x")


def test_the_same_content_is_called_after_the_file_it_was_last_read_from(tmp_path):
    names = []
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").write_text(as_csv(tickets()), encoding="utf-8")
        names.append(spec(tmp_path / f"{name}.csv").name)
    assert names[0] == names[1]
    assert dataset_facts(names[0]).title == "second"


def test_a_table_of_one_column_has_no_delimiter_and_keeps_its_empty_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('Frage (größe)\nwho, and when; why | how\n\n"quoted, too"\n""\nlast\n\n\n', encoding="utf-8")
    rows = [text for (text,) in read_rows(path, ["Frage (größe)"])]
    assert rows == ["who, and when; why | how", "", "quoted, too", "", "last"]
    path.write_text("a,b\n1,2\n\n3,4\n")
    assert [*read_rows(path, ["b"])] == [("2",), ("4",)]  # blank lines of a wider table are no rows
