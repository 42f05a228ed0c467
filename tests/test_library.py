"""What `from tcstudy import ...` gives, and methods of one's own compared with the study's."""

import linecache
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

import tcstudy
from tcstudy.encoding.documents import spans
from tcstudy.errors import StudyError
from tcstudy.models.classifier import FractionReader, MeanReader
from tcstudy.publish.parameters import read_parameters
from tcstudy.spec import RunSpec, WindowSpec
from tcstudy.spec.extensions import extension
from tcstudy.study.run import run_store

FILE = textwrap.dedent(
    '''
    import torch

    from tcstudy.models.classifier import FractionReader


    class MeanMax(FractionReader):
        """Mean and largest state of the tokens, added."""

        def select(self, states, piece):
            mask = piece.attention_mask[..., None].bool()
            largest = states.masked_fill(~mask, -torch.inf).amax(dim=1)
            return largest + (states * mask).sum(dim=1) / mask.sum(dim=1)


    def middle(length, window):
        start = (length - window.content) // 2
        return [[(start, start + window.content)]]


    def smoothed(logits, labels):
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=0.1)
    '''
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_the_package_loads_nothing_by_itself_and_neither_torch_nor_transformers_for_its_names():
    program = "import tcstudy, sys; print(*[name for name in sys.modules if name.startswith('tcstudy.')])"
    assert not subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()
    names = ", ".join(name for name in tcstudy.__all__ if name != "open_classifier")
    program = f"from tcstudy import {names}; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "datasets"} & set(loaded)


def test_every_name_is_there_and_no_other():
    assert all(getattr(tcstudy, name) for name in tcstudy.__all__)
    assert set(tcstudy.__all__) <= set(dir(tcstudy))
    with pytest.raises(AttributeError, match="no attribute 'compere'"):
        _ = tcstudy.compere


def test_a_reader_of_ones_own_is_compared_with_the_studys(spec, file):
    own = {
        name: [tcstudy.run(spec.variant({"features.reader": reader, "seed": seed})) for seed in (0, 1)]
        for name, reader in {"cls": "cls", "mean": "mean", "own": f"{file}:MeanMax"}.items()
    }
    found = tcstudy.compare(own)
    assert found.errors["model"].tolist() == ["cls", "mean", "own"]
    assert len(found.differences) == 3
    curves = [records[0].curve.losses for records in own.values()]
    assert len({*curves}) == 3  # three models
    assert all(np.isfinite(curve).all() for curve in curves)


def test_the_digest_of_the_source_is_part_of_the_identity_and_its_place_is_not(spec, file, tmp_path):
    first = spec.variant({"features.reader": f"{file}:MeanMax"})
    assert first.features.reader.startswith("MeanMax@")
    copy = tmp_path / "elsewhere.py"
    copy.write_text(FILE)
    assert spec.variant({"features.reader": f"{copy}:MeanMax"}).id == first.id
    file.write_text(FILE + "\n# changed\n")
    assert spec.variant({"features.reader": f"{file}:MeanMax"}).id != first.id
    file.unlink()
    assert RunSpec.model_validate_json(first.model_dump_json()) == first  # as a record is read
    assert issubclass(extension("reader", first.features.reader), FractionReader)  # from the copy


def test_a_window_of_ones_own_is_asked_for_texts_that_do_not_fit(file, spec):
    window = WindowSpec(method=f"{file}:middle", length=10)
    assert spans(6, window) == [[(0, 6)]]
    assert spans(20, window) == [[(6, 14)]]
    file.write_text("def middle(length, window):\n    return [[(0, length)]]\n")
    with pytest.raises(StudyError, match="8 wordpieces together at most"):
        spans(20, WindowSpec(method=f"{file}:middle", length=10))


def test_a_loss_of_ones_own_trains(spec, file):
    plain, own = (
        tcstudy.run(spec.variant({"training.loss": loss, "training.dropout": 0.0}))
        for loss in ("cross-entropy", f"{file}:smoothed")
    )
    logits, label = torch.log(torch.tensor([[0.5, 0.3, 0.2]])), torch.tensor([0])
    smoothed = extension("loss", own.spec.training.loss)(logits, label)
    assert float(smoothed) == pytest.approx(-(0.9 + 0.1 / 3) * np.log(0.5) - 0.1 / 3 * (np.log(0.3) + np.log(0.2)))
    assert own.curve.losses[0] != plain.curve.losses[0]
    assert own.curve.losses[-1] < own.curve.losses[0]


def test_the_mean_reader_leaves_padding_out():
    states = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    read = MeanReader(2, "head-only").select(states, SimpleNamespace(attention_mask=mask))
    assert read.tolist() == [[2.0, 3.0], [7.0, 8.0]]


def test_what_a_notebook_registers_is_known_by_its_source(spec):
    @tcstudy.register("loss", "doubled")
    def doubled(logits, labels):
        return 2 * torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    changed = spec.variant({"training.loss": "doubled", "training.clip_norm": 100.0})
    assert changed.training.loss.startswith("doubled@")
    assert extension("loss", changed.training.loss) is doubled
    plain = spec.variant({"training.clip_norm": 100.0})
    assert tcstudy.run(changed).curve.losses[0] == pytest.approx(2 * tcstudy.run(plain).curve.losses[0], rel=1e-5)


@pytest.mark.parametrize("kind", ["raeder", FractionReader])
def test_what_is_no_kind_of_extension_cannot_be_registered(kind):
    with pytest.raises(StudyError, match="what is registered is a reader, a window or a loss"):
        tcstudy.register(kind)


def test_a_parameter_file_names_an_extension_from_any_folder(file, tmp_path, monkeypatch):
    parameters = tmp_path / "long_texts.yaml"
    parameters.write_text(
        "encoder: {name: tiny}\ndata: [{name: bbc_news, train: 20, validation: 10, test: 20}]\n"
        "window: {length: 12}\nmethods: [head-only, 'mine.py:middle']\n"
    )
    monkeypatch.chdir(tmp_path)
    read = read_parameters(parameters)
    head, own = read.values["methods"]
    assert head == "head-only" and own.startswith("middle@")
    assert [run.window.method for run in read.experiment.runs().values()] == read.values["methods"]


def test_a_page_compares_encoders_as_a_reader_of_ones_own_reads_them(file, tmp_path, monkeypatch):
    parameters = tmp_path / "encoders.yaml"
    parameters.write_text(
        "encoder: {name: tiny}\nothers: [{name: tiny, layers: 1}]\nwindow: {length: 12}\nlearning_rates: [0.01]\n"
        "data: [{name: bbc_news, train: 20, validation: 10, test: 20}]\nfeatures: {reader: 'mine.py:MeanMax'}\n"
        "training: {batch_size: 8, epochs: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    read = read_parameters(parameters)
    assert read.values["features"]["reader"].startswith("MeanMax@")
    records = tcstudy.run_all(read.experiment.runs())
    assert {record.spec.features.reader for record in records.values()} == {read.values["features"]["reader"]}
    assert len(records) == 2 and all(record.test for record in records.values())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features.reader": "meen"}, "features.reader: 'meen' is not allowed here; did you mean 'mean'"),
        ({"features.reader": "Own"}, r"\. A reader of your own is named by its file, such as methods\.py:Own$"),
        ({"features.reader": "none.py:Reader"}, r"none\.py cannot be read \(No such file or directory\)"),
        ({"training.lora": 4, "training.frozen": True}, "`frozen` must be false"),
        (
            {"training.lora": 4, "measures.general_text": {"name": "rotten_tomatoes"}},
            "cannot be measured with adapters",
        ),
    ],
)
def test_mistakes_are_sentences(spec, changes, told):
    with pytest.raises(StudyError, match=told):
        spec.variant(changes)


def test_names_that_a_file_does_not_have_and_sources_that_are_gone_are_told(spec, file):
    with pytest.raises(StudyError, match="no class or function Nothing; known are: MeanMax, middle, smoothed"):
        spec.variant({"features.reader": f"{file}:Nothing"})
    with pytest.raises(StudyError, match="no class or function MeanMx; did you mean 'MeanMax'"):
        spec.variant({"features.reader": f"{file}:MeanMx"})
    gone = spec.variant({"features.reader": "Gone@0123456789ab"})  # as a record from elsewhere has it
    with pytest.raises(StudyError, match="is not known here"):
        tcstudy.run(gone)
    assert run_store().get(gone) is None


def test_a_reader_is_a_class_and_the_others_are_functions(spec, file):
    with pytest.raises(StudyError, match=r"smoothed@\w+ is a function, but a reader is a class"):
        tcstudy.run(spec.variant({"features.reader": f"{file}:smoothed"}))
    with pytest.raises(StudyError, match=r"MeanMax@\w+ is a class, but a loss is a function"):
        tcstudy.run(spec.variant({"training.loss": f"{file}:MeanMax"}))
    with pytest.raises(StudyError, match="FractionReader is a class, but a window is a function"):
        tcstudy.register("window")(FractionReader)


def test_what_is_no_run_is_told(spec):
    with pytest.raises(StudyError, match="'x' is not a run"):
        tcstudy.run("x")
    with pytest.raises(StudyError, match="Runs are given by name"):
        tcstudy.run_all([spec])
    with pytest.raises(StudyError, match=r"mine: .* is not a run"):
        tcstudy.run_all({"mine": {"seed": 0}})


def test_adapters_learn_while_the_encoder_stays_as_it_was(spec):
    from tcstudy.corpora.loading import load_corpus
    from tcstudy.training.finetune import build_model, finetune

    spec = spec.variant({"training.lora": 4, "training.epochs": 10, "training.learning_rate": 0.05})
    model, _, _ = build_model(spec, 5, 1000)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert {name for name in trained if name.startswith("encoder.")} == {
        name for name, _ in model.named_parameters() if "lora_" in name
    }
    outcome = finetune(spec, load_corpus(spec.data))
    frozen = finetune(spec.variant({"training.lora": None, "training.frozen": True}), load_corpus(spec.data))
    assert outcome.encoder_digest == frozen.encoder_digest
    assert np.mean(outcome.losses[-5:]) < np.mean(frozen.losses[-5:]) < frozen.losses[0]


def test_the_examples_of_the_book_run_in_a_notebook(tmp_path):
    text = (Path(__file__).parents[1] / "book" / "library.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    last = [
        "from tcstudy import run\nprint(run(own).outcome, own.features.reader)",
        "@register('reader')\nclass MeanMax(MeanMax):\n    def forward(self, states, batch):\n        return states\n"
        "print(spec.variant({'features.reader': 'MeanMax'}).features.reader)",
    ]
    sources = [block.replace("minilm-l6-uncased", "tiny").replace("2e-4", "1e-2") for block in [*blocks, *last]]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    compared, _, run, again = (cell.outputs for cell in notebook.cells)
    assert "mean of all tokens" in compared[-1]["data"]["text/html"]
    [outcome, reader] = next(output["text"] for output in run if output.get("name") == "stdout").split()
    assert outcome == "finished" and re.fullmatch(r"MeanMax@[0-9a-f]{12}", reader)
    other = again[-1]["text"].strip()
    assert re.fullmatch(r"MeanMax@[0-9a-f]{12}", other) and other != reader


def test_a_helper_that_changes_makes_another_run(spec):
    source = """
import torch

WEIGHT = 1.0

def helper(losses):
    return WEIGHT * losses

def helped(logits, labels):
    return helper(torch.nn.functional.cross_entropy(logits, labels, reduction="none"))
"""

    def named(text):
        filename = f"<cell {len(linecache.cache)}>"  # as a notebook keeps its cells
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        names = {"__name__": "a_notebook"}
        exec(compile(text, filename, "exec"), names)
        tcstudy.register("loss")(names["helped"])
        return spec.variant({"training.loss": "helped"}).training.loss

    assert named(source) == named(source)
    changed = [source.replace("WEIGHT = 1.0", "WEIGHT = 2.0"), source.replace("* losses", "* losses + 1")]
    assert len({named(text) for text in (source, *changed)}) == 3
    assert named(source.replace("WEIGHT", "FACTOR")) != named(source)


def test_a_loss_that_is_not_one_for_each_document_is_told(spec):
    @tcstudy.register("loss", "averaged")
    def averaged(logits, labels):
        return torch.nn.functional.cross_entropy(logits, labels)

    changed = spec.variant({"training.loss": "averaged"})
    with pytest.raises(StudyError, match=r"averaged@\w+ returns values of shape \(\) for \d+ documents: it has to"):
        tcstudy.run(changed)
    assert run_store().get(changed) is None


def test_a_file_that_is_no_python_is_told_before_anything_runs(spec, file):
    file.write_text(FILE + "\ndef broken(:\n")
    with pytest.raises(StudyError, match=r"mine\.py is not valid Python \(.*line \d+\)"):
        spec.variant({"training.loss": f"{file}:smoothed"})
