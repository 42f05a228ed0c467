"""Records that are made up: nothing is trained."""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tcstudy.spec import EncoderSpec, RunSpec
from tcstudy.study.record import Cost, LearningCurve, Predictions, Record
from tcstudy.training.outcome import Evaluation, HeadQuality, TextHeads

DOCUMENTS = 10


@pytest.fixture
def made_up() -> Callable[..., Record]:
    """Makes the record of a run on ten test documents of two classes, of which the first `wrong` are wrong.

    `curve` are errors on the selection split, one an epoch of ten updates, `training` the training losses of these;
    `losses` those of the MLM head before and after.
    """

    def make(
        spec: RunSpec,
        wrong: int | None = 0,
        curve: Sequence[float] = (0.5,),
        losses: tuple[float, float] | None = None,
        training: Sequence[float] | None = None,
    ) -> Record:
        labels = np.arange(DOCUMENTS) % 2
        test = None
        if wrong is not None:
            predicted = np.where(np.arange(DOCUMENTS) < wrong, 1 - labels, labels)
            test = Predictions.pack(labels, np.eye(2)[predicted], np.ones(DOCUMENTS, dtype=int))
        epochs = [
            Evaluation(step=10 * number, epoch=number, error=error, loss=1.0)
            for number, error in enumerate(curve, start=1)
        ]
        record = Record.model_construct(
            id=spec.id,
            spec=spec,
            outcome="finished" if test else "diverged",
            curve=LearningCurve.thin([loss for loss in training or [0.1] * len(curve) for _ in range(10)], epochs),
            test=test,
            cost=Cost.model_construct(training_seconds=1.0, evaluation_seconds=0.5),
            data=SimpleNamespace(used_train=spec.data.train, used_validation=20),
            provenance=SimpleNamespace(encoder_digest=f"{getattr(spec, 'encoder', '')}"),
        )
        forgetting = SimpleNamespace(before=losses[0], after=losses[1], tokens=100) if losses else None
        return record.model_copy(update={"forgetting": forgetting})

    return make


@pytest.fixture
def errors_frame() -> Callable[[Mapping[tuple[str, str], Mapping[str, Any]]], pd.DataFrame]:
    """Makes rows as `stats.errors` gives them, by data set and variant; what is not given is that of two seeds that
    were compared with nothing."""
    usual = {"mean": 0.2, "low": 0.1, "high": 0.3, "runs": 2, "seeds": 2, "draws": 1, "diverged": 0, "documents": 10}
    usual |= {"seconds": 1.0, "ids": ("0a", "0b"), "reference": None}
    usual |= dict.fromkeys(("change", "change_low", "change_high", "p"), float("nan")) | {"differs": False}

    def make(cells: Mapping[tuple[str, str], Mapping[str, Any]]) -> pd.DataFrame:
        return pd.DataFrame(
            [{"dataset": dataset, "variant": variant} | usual | given for (dataset, variant), given in cells.items()]
        )

    return make


@pytest.fixture
def took() -> Callable[..., SimpleNamespace]:
    """Makes as much of an encoder's record as says whether its last stage took: by losses and right pairs of 200.

    By default it did, on the text of each data set of its corpus.
    """

    def make(
        spec: EncoderSpec, before: float = 4.0, after: float = 3.0, bigram: float = 5.0, right: float = 0.8
    ) -> SimpleNamespace:
        heads = [HeadQuality(mlm_loss=loss, words=100, nsp_accuracy=right, pairs=200) for loss in (before, after)]
        corpus = getattr(spec.stages[-1], "corpus", ())
        texts = [
            TextHeads(name=text.name, before=heads[0], after=heads[1], unigram=7.0, bigram=bigram, counted=10**6)
            for text in corpus
        ]
        return SimpleNamespace(spec=spec, measured=heads[1], texts=tuple(texts))

    return make
