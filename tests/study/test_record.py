import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tcstudy.study.record import LearningCurve, Packed, Predictions


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
    curve = LearningCurve.thin([1.0, 3.0, 5.0, 7.0, 9.0], [], points=3)
    assert curve.steps == (2, 4, 5)
    assert curve.losses == (2.0, 6.0, 9.0)
    assert LearningCurve.thin([2.0, 1.0], [], points=3).losses == (2.0, 1.0)
    assert LearningCurve.thin([], []).steps == ()
