import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from transformers import AutoModel

from tcstudy.corpora.loading import load_corpus
from tcstudy.encoding.documents import Document
from tcstudy.errors import StudyError
from tcstudy.models.multitask import CLASSIFIERS
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, MultitaskSpec
from tcstudy.training.engine import Engine
from tcstudy.training.finetune import build_model, finetune
from tcstudy.training.multitask import sampling_shares, task_batches, train_multitask

TASKS = [
    {"name": "bbc_news", "train": 40, "validation": 20, "test": 30},
    {"name": "rotten_tomatoes", "train": 20, "validation": 20, "test": 30},
]


def together(tasks=TASKS, **changes):
    given = {
        "tasks": tasks,
        "window": {"length": 16},
        "training": {"learning_rate": 1e-2, "batch_size": 8, "epochs": 2},
        **changes,
    }
    return EncoderSpec(name="tiny").after(MultitaskSpec.model_validate(given))


def test_one_task_is_single_task_fine_tuning(spec, tmp_path):
    assert (
        train_multitask(together(TASKS[:1]), tmp_path / "made").losses == finetune(spec, load_corpus(spec.data)).losses
    )


def test_all_tasks_learn_on_one_encoder(tmp_path):
    epochs = {"training": {"learning_rate": 1e-2, "batch_size": 8, "epochs": 25}}
    outcome = train_multitask(together(**epochs), tmp_path / "made")
    assert len(outcome.losses) == 25 * (5 + 3)
    assert np.mean(outcome.losses[-20:]) < np.mean(outcome.losses[:20]) / 2
    assert outcome.encoder_digest
    _, info = AutoModel.from_pretrained(tmp_path / "made", output_loading_info=True)
    assert all(name.startswith("pooler.") for name in info["missing_keys"])
    classifiers = load_file(tmp_path / "made" / CLASSIFIERS)
    assert {name: tuple(tensor.shape) for name, tensor in classifiers.items()} == {
        "bbc_news.output.weight": (5, 16),
        "bbc_news.output.bias": (5,),
        "rotten_tomatoes.output.weight": (2, 16),
        "rotten_tomatoes.output.bias": (2,),
    }


def test_fine_tuning_goes_on_with_the_tasks_own_classifier(spec):
    encoder = together(training={"learning_rate": 1e-2, "batch_size": 8, "epochs": 25})
    train_multitask(encoder, Settings.read().weights / encoder.id)
    later = spec.variant({"encoder": encoder})
    model, _, _ = build_model(later, 5, 1000)
    classifiers = load_file(Settings.read().weights / encoder.id / CLASSIFIERS)
    assert torch.equal(model.output.weight, classifiers["bbc_news.output.weight"])
    assert finetune(later, load_corpus(spec.data)).losses[0] < finetune(spec, load_corpus(spec.data)).losses[0] / 2
    with pytest.raises(StudyError, match="classifier of bbc_news from the multi-task stage does not fit"):
        build_model(later.variant({"features.layers": (0, 1)}), 5, 1000)


def test_a_set_that_was_no_task_gets_a_new_classifier(spec):
    encoder = together(TASKS[1:])
    train_multitask(encoder, Settings.read().weights / encoder.id)
    model, _, _ = build_model(spec.variant({"encoder": encoder}), 5, 1000)
    assert model.output.weight.shape == (5, 16)


@pytest.mark.parametrize(
    ("rule", "shares"), [("proportional", (0.9, 0.1)), ("square root", (0.75, 0.25)), ("uniform", (0.5, 0.5))]
)
def test_tasks_come_as_often_as_the_rule_says(rule, shares):
    documents = {name: [Document([[2, 9, 3]], 0, 1)] * size for name, size in [("a", 36), ("b", 4)]}
    assert tuple(sampling_shares({"a": 36, "b": 4}, rule).values()) == pytest.approx(shares)
    stage = MultitaskSpec.model_validate({"tasks": TASKS, "training": {"batch_size": 4}, "sampling": rule})
    engine = Engine(Accelerator(), 1000, 0)
    drawn = Counter(batch[0].task for batch in itertools.islice(task_batches(stage, documents, engine), 4000))
    assert drawn["a"] / 4000 == pytest.approx(shares[0], abs=4 * 0.5 / np.sqrt(4000))


def test_within_a_task_every_document_comes_once_in_a_pass():
    documents = {"a": [Document([[2, word, 3]], 0, 1) for word in range(10, 30)]}
    stage = MultitaskSpec.model_validate({"tasks": TASKS[:1], "training": {"batch_size": 6}})
    batches = itertools.islice(task_batches(stage, documents, Engine(Accelerator(), 1000, 0)), 8)  # two passes of four
    words = [int(word) for batch in batches for part in batch for word in part.batch.input_ids[:, 1]]
    assert sorted(words[:20]) == sorted(words[20:]) == list(range(10, 30))
    assert words[:20] != words[20:]
