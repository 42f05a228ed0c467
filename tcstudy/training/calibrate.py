"""How fast this machine trains and predicts, found out by doing a little of both on made-up documents."""

import itertools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from transformers import BertConfig, BertModel, PreTrainedModel

from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.encoding.documents import Document
from tcstudy.models.attention import prepare
from tcstudy.models.classifier import TextClassifier
from tcstudy.models.encoder import load_encoder
from tcstudy.spec import PROTOCOLS, EncoderSpec, FeatureSpec, TrainingSpec
from tcstudy.training.devices import device_name, make_accelerator
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import cross_entropy_part
from tcstudy.training.loop import fit
from tcstudy.training.optim import make_optimizer

SECONDS_PER_STEP = 2.0
"""The larger batch is doubled as long as a step of training is expected to take less."""
REPEATS = 3


@dataclass(frozen=True)
class Timing:
    """A batch that was timed: its tokens, its longest document, median seconds of a training step and a prediction."""

    tokens: int
    longest: int
    training: float
    prediction: float


@dataclass(frozen=True)
class Calibration:
    """What was timed, a small batch and a larger one, and the name of the device."""

    device: str
    small: Timing
    large: Timing


def calibrate(encoder: EncoderSpec, facts: EncoderFacts, lengths: tuple[int, int], batch_size: int) -> Calibration:
    """Time a few steps of training and predictions; takes some seconds.

    The small batch is one short document; the large one is a batch of long documents, or as much of it as can be done
    in a step of a second or two. The documents of a batch differ in length, from half to one and a half of their mean.

    Args:
        encoder: one of a local folder is loaded; of any other a BERT of its size is made, with random weights.
        facts: its size.
        lengths: tokens of a short and of a long document.
        batch_size: documents in a batch.
    """
    accelerator = make_accelerator()
    training = TrainingSpec()
    body = load_encoder(encoder.published, training.dropout).body if facts.local else _random_bert(facts)
    engine = Engine.of(body, pad=0, accelerator=accelerator)
    model = TextClassifier(body, 2, FeatureSpec(), "head-only", training.dropout, engine.budget).to(accelerator.device)
    optimizer, schedule = make_optimizer(model, training, PROTOCOLS["clean"], 1000)

    def step_on(documents: list[Document]) -> Callable[[], object]:
        batches = itertools.repeat(engine.micro_batches(documents))
        steps = fit(model, batches, cross_entropy_part, optimizer, schedule, accelerator, training.clip_norm)
        return lambda: next(steps)

    def time_both(documents: list[Document], repeats: int = REPEATS) -> Timing:
        return Timing(
            tokens=sum(document.tokens for document in documents),
            longest=max(document.longest for document in documents),
            training=_median_seconds(step_on(documents), repeats),
            prediction=_median_seconds(lambda: engine.predict(model, documents), repeats),
        )

    short, long = lengths
    small = large = made_up_documents(1, short, facts)
    time_both(small, repeats=1)  # the first steps are slower
    for tokens in _doublings(short, batch_size * long):
        if 2 * _seconds(step_on(large)) > SECONDS_PER_STEP:
            break
        number = max(1, tokens // long)
        large = made_up_documents(number, tokens // number, facts)
    return Calibration(device_name(accelerator), time_both(small), time_both(large))


def made_up_documents(number: int, length: int, facts: EncoderFacts) -> list[Document]:
    """Documents of random tokens, `length` on average, their lengths spread evenly around that."""
    generator = np.random.default_rng(0)
    shares = 0.5 + (np.arange(number) + 0.5) / number  # of the mean; 1 for a single document
    lengths = np.clip(np.rint(shares * length), 1, facts.max_length).astype(int)
    return [
        Document([generator.integers(facts.vocabulary, size=n).tolist()], label=i % 2, length=int(n))
        for i, n in enumerate(lengths)
    ]


def _random_bert(facts: EncoderFacts) -> PreTrainedModel:
    config = BertConfig(
        vocab_size=facts.vocabulary,
        hidden_size=facts.width,
        num_hidden_layers=facts.layers,
        num_attention_heads=math.gcd(facts.width, max(1, facts.width // 64)),
        intermediate_size=4 * facts.width,
        max_position_embeddings=facts.max_length,
    )
    body = BertModel(config, add_pooling_layer=False)
    prepare(body)
    return body


def _doublings(first: int, last: int) -> list[int]:
    """The doubles of `first`, again and again, below `last`, and `last`."""
    return [*itertools.takewhile(lambda number: number < last, (first * 2**k for k in itertools.count(1))), last]


def _median_seconds(act: Callable[[], object], repeats: int) -> float:
    return statistics.median(_seconds(act) for _ in range(repeats))


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
