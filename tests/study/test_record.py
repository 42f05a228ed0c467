import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tcstudy.spec import BagOfWordsSpec, DataSpec, EncoderSpec, RunSpec
from tcstudy.study.record import LearningCurve, Packed, Predictions, Record
from tcstudy.training.outcome import Evaluation

SPLIT = """{"rows": 4000, "official_rows": 4000, "digest": "00", "copy_known_as": "not examined before"}"""
EARLIER = (  # as records were written when all runs were plain fine-tunings, and curves had no points
    """{"schema_version": 1, "semantics": 1, "id": "4a4b1b1b7a6e9b1f",
    "spec": {"data": {"name": "imdb", "train": 1000, "draw": 0}, "encoder": {"name": "minilm-l6-uncased"},
        "window": {"length": 512, "method": "head-only"}, "features": {"join": "concat", "pooler": false},
        "training": {"learning_rate": 2e-05, "batch_size": 24, "epochs": 4, "warmup": 0.1, "dropout": 0.1,
            "weight_decay": 0.01, "clip_norm": 1.0, "layer_decay": 1.0, "embeddings": "base"},
        "protocol": {"optimizer": "adamw", "selection": "validation"}, "seed": 0},
    "outcome": "diverged", "diverged_at": 2,
    "curve": {"steps": [1], "losses": [0.7], "epochs": [{"step": 1, "epoch": 1, "error": 0.5, "loss": 0.7}]},
    "cost": {"training_seconds": 1.0, "evaluation_seconds": 1.0, "steps": 1, "tokens": 9, "padded_tokens": 9,
        "peak_memory_bytes": 1},
    "data": {"origin": "local folder", "train": SPLIT, "test": SPLIT, "repeated_in_train": 0, "repeated_in_test": 0,
        "removed_from_train": 0, "validation_texts_in_train": 0, "used_train": 1, "used_validation": 1, "used_test": 1},
    "provenance": {"made": "2025-01-01T00:00:00+00:00", "package": "0", "python": "3.12", "commit": "0a",
        "libraries": {"torch": "2"}, "system": "Linux x86_64", "device": "cpu", "processes": 1, "encoder_digest": "0",
        "made_new": []}}""".replace("SPLIT", SPLIT)
)


def test_records_of_earlier_plain_runs_are_read():
    record = Record.model_validate_json(EARLIER)
    assert record.spec == RunSpec(data=DataSpec(name="imdb", train=1000), encoder=EncoderSpec(name="minilm-l6-uncased"))
    assert record.spec.measures.every is None
    assert record.curve.points == ()
    assert [evaluation.epoch for evaluation in record.curve.epochs] == [1]


@pytest.mark.parametrize(
    "spec",
    [
        BagOfWordsSpec(data=DataSpec(name="imdb")),
        BagOfWordsSpec(data=DataSpec(name="imdb", train=7), ngrams=1, strengths=(2.0,), seed=3),
        RunSpec.model_validate(
            {
                "data": {"name": "imdb"},
                "encoder": {"name": "minilm-l6-uncased", "stages": [{"corpus": [{"name": "imdb"}]}]},
                "features": {"layers": [1, 2], "reader": "bilstm"},
                "training": {"frozen": True},
                "protocol": {"optimizer": "adamw without bias correction"},
                "measures": {"every": 5, "general_text": {"name": "bbc_news", "documents": 9}},
            }
        ),
    ],
)
def test_a_record_knows_what_kind_of_run_it_is_of(spec):
    record = Record.model_validate_json(EARLIER).model_copy(update={"spec": spec, "id": spec.id})
    again = Record.model_validate_json(record.model_dump_json(indent=1, exclude_none=True))
    assert type(again.spec) is type(spec)
    assert again.spec == spec
    assert again.spec.id == again.id


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_packed_numbers_come_back(values):
    assert Packed.pack(np.array(values, dtype=np.int64), "<u4").unpack().tolist() == values


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        Packed.pack(np.array([256]), "<u1")


def test_predictions_of_every_document():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    packed = Predictions.pack(np.array([0, 0, 1]), probabilities, np.array([10, 70_000, 0]))
    assert packed.documents == 3
    assert packed.predicted.unpack().tolist() == [0, 1, 1]
    assert packed.wrong.tolist() == [False, True, False]
    assert packed.lengths.unpack().tolist() == [10, 70_000, 0]
    assert packed.confidence.unpack() / 65535 == pytest.approx([0.9, 0.8, 0.6], abs=1e-5)


def test_a_thousand_predictions_take_little_room():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1], size=1000)
    packed = Predictions.pack(generator.integers(0, 2, 1000), probabilities, generator.integers(0, 500, 1000))
    assert len(packed.model_dump_json()) < 8000


def test_learning_curves_are_thinned_to_means():
    curve = LearningCurve.thin([1.0, 3.0, 5.0, 7.0, 9.0], [], most=3)
    assert curve.steps == (2, 4, 5)
    assert curve.losses == (2.0, 6.0, 9.0)
    assert LearningCurve.thin([2.0, 1.0], [], most=3).losses == (2.0, 1.0)
    assert LearningCurve.thin([], []).steps == ()


def test_points_of_a_learning_curve_are_kept_whole():
    points = [Evaluation(step=step, epoch=step // 3, error=0.5, loss=1.0) for step in range(1, 7)]
    curve = LearningCurve.thin([1.0] * 6, points[2::3], points, most=2)
    assert curve.points == tuple(points)
    assert curve.epochs == (points[2], points[5])
    assert LearningCurve.model_validate_json(curve.model_dump_json()) == curve
