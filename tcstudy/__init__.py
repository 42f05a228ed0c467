"""tcstudy: the experiments of "How to Fine-Tune BERT for Text Classification?", with intervals.

Importing the package loads nothing else: each name below is loaded when it is used first, and none of them loads torch
or transformers before a model is trained.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tcstudy.report.frame import frame
    from tcstudy.report.predictions import compare
    from tcstudy.spec import BagOfWordsSpec, DataSpec, EncoderSpec, RunSpec
    from tcstudy.spec.extensions import register
    from tcstudy.study.run import run, run_all
    from tcstudy.training.classifiers import open_classifier

__version__ = "0.2.0"

__all__ = [
    "BagOfWordsSpec",
    "DataSpec",
    "EncoderSpec",
    "RunSpec",
    "compare",
    "frame",
    "open_classifier",
    "register",
    "run",
    "run_all",
]

_PLACES = {
    "BagOfWordsSpec": "tcstudy.spec",
    "DataSpec": "tcstudy.spec",
    "EncoderSpec": "tcstudy.spec",
    "RunSpec": "tcstudy.spec",
    "compare": "tcstudy.report.predictions",
    "frame": "tcstudy.report.frame",
    "open_classifier": "tcstudy.training.classifiers",
    "register": "tcstudy.spec.extensions",
    "run": "tcstudy.study.run",
    "run_all": "tcstudy.study.run",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'tcstudy' has no attribute '{name}'")
    found = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
