"""What a run is: frozen, validated values, and the identity that follows from them; no torch."""

from tcstudy.spec.documents import DataSpec, Method, NamedMethod, TextSpec, WindowSize, WindowSpec
from tcstudy.spec.encoder import EncoderSpec, MultitaskSpec, PretrainingSpec
from tcstudy.spec.identity import SEMANTICS, Identified
from tcstudy.spec.run import AnyRun, BagOfWordsSpec, FeatureSpec, MeasureSpec, RunSpec
from tcstudy.spec.training import (
    PRETRAINING_PROTOCOLS,
    PROTOCOLS,
    NamedPretrainingProtocol,
    NamedProtocol,
    OptimizationSpec,
    Optimizer,
    PretrainingProtocol,
    PretrainingRecipe,
    Protocol,
    TrainingSpec,
)

__all__ = [
    "PRETRAINING_PROTOCOLS",
    "PROTOCOLS",
    "SEMANTICS",
    "AnyRun",
    "BagOfWordsSpec",
    "DataSpec",
    "EncoderSpec",
    "FeatureSpec",
    "Identified",
    "MeasureSpec",
    "Method",
    "MultitaskSpec",
    "NamedMethod",
    "NamedPretrainingProtocol",
    "NamedProtocol",
    "OptimizationSpec",
    "Optimizer",
    "PretrainingProtocol",
    "PretrainingRecipe",
    "PretrainingSpec",
    "Protocol",
    "RunSpec",
    "TextSpec",
    "TrainingSpec",
    "WindowSize",
    "WindowSpec",
]
