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
PRETRAINING = COMMON | {
    "data": [
        {"name": "bbc_news", "train": 20, "validation": 10, "test": 20},
        {"name": "rotten_tomatoes", "train": 20, "validation": 10, "test": 20},
    ],
    "window": {"length": 12},
    "pretraining": {"steps": 2, "batch_size": 4, "length": 16},
}
TINY = {
    "base_rate": COMMON | {"window": {"length": 12}, "learning_rates": [0.01, 0.02]},
    "comparison": PRETRAINING
    | {"other_languages": {}, "feature_training": {"learning_rate": 0.01, "batch_size": 8, "epochs": 1}},
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
