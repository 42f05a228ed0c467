import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

COMMON = {
    "profile": "smoke",
    "encoder": {"name": "tiny"},
    "data": [{"name": "bbc_news", "train": 20, "validation": 10, "test": 20}],
    "training": {"batch_size": 8, "epochs": 1},
    "protocol": "clean",
    "seeds": [0],
}
TINY = {
    "datasets": {
        "profile": "smoke",
        "encoder": {"name": "tiny"},
        "datasets": ["bbc_news", "rotten_tomatoes"],
        "limit": 20,
    },
    "layer_decay": COMMON
    | {"window": {"length": 12}, "learning_rates": [0.01], "decays": [1.0, 0.9], "embeddings": "bottom"},
    "layers": COMMON | {"window": {"length": 12}, "groups": ["all"], "joins": ["mean"], "pooler": True},
    "long_texts": COMMON
    | {
        "data": [
            {"name": "bbc_news", "train": 20, "validation": 10, "test": 20},
            {"name": "rotten_tomatoes", "train": 20, "validation": 10, "test": 20},
        ],
        "window": {"length": 12},
        "methods": ["head-only", "head+tail", "hierarchical self-attention"],
        "seeds": [0, 1],
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's pages with parameters of seconds, and the current folder in it."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "book", folder / "book")
    for name in ("_toc.yml", "_config.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / "params" / "smoke").mkdir(parents=True)
    (folder / "tcstudy").symlink_to(ROOT / "tcstudy")
    for page, values in TINY.items():
        (folder / "params" / "smoke" / f"{page}.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    monkeypatch.chdir(folder)
    return folder
