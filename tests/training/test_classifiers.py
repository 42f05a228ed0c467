import numpy as np
import pytest
from transformers import pipeline

from tcstudy.corpora.loading import load_corpus
from tcstudy.errors import StudyError
from tcstudy.training.classifiers import CARD, Classifier

LONG = "market film bank of the music was said with " * 12
TEXTS = ["bank profit growth", "goal team coach in the match", LONG, LONG + "goal team player", "", "election vote law"]


def trained(spec, changes):
    spec = spec.variant(changes)
    corpus = load_corpus(spec.data)
    return Classifier.train(spec, corpus.train, corpus.facts.classes)


def of_pipeline(folder, texts, classes):
    opened = pipeline("text-classification", str(folder), device="cpu", top_k=None)
    answers = opened(list(texts), truncation=True)
    return np.array([[{a["label"]: a["score"] for a in answer}[name] for name in classes] for answer in answers])


@pytest.mark.parametrize("method", ["head-only", "tail-only"])
def test_a_pipeline_of_transformers_answers_as_the_trained_model(spec, tmp_path, method):
    classifier = trained(spec, {"features.pooler": True, "window.method": method})
    classifier.save(tmp_path / "model", "# A card")
    expected = classifier.probabilities(TEXTS)
    assert of_pipeline(tmp_path / "model", TEXTS, classifier.description.classes) == pytest.approx(expected, abs=1e-6)
    assert Classifier.open(tmp_path / "model").probabilities(TEXTS) == pytest.approx(expected, abs=1e-6)
    assert (tmp_path / "model" / CARD).read_text() == "# A card"
    assert len(np.unique(expected.round(6), axis=0)) > 3  # the texts are told apart


@pytest.mark.parametrize(
    "changes",
    [
        {"features.pooler": True, "window.method": "head+tail"},
        {"window.method": "hierarchical mean"},
        {"window.method": "hierarchical self-attention", "features.pooler": True},
        {"features.layers": [0, 1], "features.join": "max"},
        {"features.layers": [0]},
        {"features.reader": "bilstm"},
    ],
    ids=str,
)
def test_what_no_plain_pipeline_says_is_opened_as_it_was_trained(spec, tmp_path, changes):
    classifier = trained(spec, changes)
    classifier.save(tmp_path)
    opened = Classifier.open(tmp_path)
    expected = classifier.probabilities(TEXTS)
    assert opened.probabilities(TEXTS) == pytest.approx(expected, abs=1e-6)
    answers = opened(TEXTS)
    assert [answer["label"] for answer in answers] == [opened.description.classes[i] for i in expected.argmax(axis=1)]
    assert [answer["score"] for answer in answers] == pytest.approx(expected.max(axis=1), abs=1e-6)


def test_a_folder_that_a_plain_pipeline_would_read_wrongly_is_refused_by_it(spec, tmp_path):
    trained(spec, {"window.method": "hierarchical mean"}).save(tmp_path)
    with pytest.raises(Exception, match=r"config\.json|model_type"):
        pipeline("text-classification", str(tmp_path), device="cpu")


def test_other_folders_are_told_from_classifiers(spec, tmp_path):
    with pytest.raises(StudyError, match="is not the folder of a classifier"):
        Classifier.open(tmp_path)
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(StudyError, match="holds other files"):
        trained(spec, {}).save(tmp_path)
