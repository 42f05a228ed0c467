import dataclasses
import itertools
import re

import datasets
import numpy as np
import pytest
from scipy.optimize import minimize

from tcstudy.corpora.loading import Corpus, load_corpus
from tcstudy.errors import StudyError
from tcstudy.spec import BagOfWordsSpec, DataSpec
from tcstudy.training.bag_of_words import WORD, fit_bag_of_words
from tcstudy.training.outcome import Evaluation, Outcome

NEWS = DataSpec(name="bbc_news", train=80, validation=30, test=40)


def split(texts: dict[str, int]) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": list(texts), "label": list(texts.values())})


def corpus_of(**splits: dict[str, int]) -> Corpus:
    """The two classes of Rotten Tomatoes with texts of our own."""
    corpus = load_corpus(DataSpec(name="rotten_tomatoes", train=4, validation=4, test=4))
    return dataclasses.replace(corpus, **{name: split(texts) for name, texts in splits.items()})


TOMATOES = BagOfWordsSpec(data=DataSpec(name="rotten_tomatoes"))


def errors(outcome: Outcome) -> float:
    return np.mean(outcome.probabilities.argmax(axis=1) != [document.label for document in outcome.test])


def test_words_decide_and_so_do_pairs_of_words():
    texts = {"not good at all": 0, "not good again": 0, "good": 1, "so good": 1, "not bad at all": 1, "bad": 0}
    corpus = corpus_of(train=texts, validation=texts, test={"GOOD!": 1, "it is not good": 0, "": 0})
    outcome = fit_bag_of_words(TOMATOES, corpus)
    assert outcome.probabilities.argmax(axis=1)[:2].tolist() == [1, 0]
    assert [document.length for document in outcome.test] == [1, 4, 0]
    assert outcome.tokens == 4 + 3 + 1 + 2 + 4 + 1
    assert outcome.best_epoch is None
    assert outcome.evaluations == outcome.losses == []


def test_beside_the_formulas_in_numpy():
    """TF-IDF with 1 + ln tf, smoothed idf and unit length; multinomial logistic regression by scipy's minimiser."""
    corpus = load_corpus(NEWS)
    outcome = fit_bag_of_words(BagOfWordsSpec(data=NEWS, ngrams=1, strengths=(3.0,)), corpus)

    train = [re.findall(r"\w+", text.lower()) for text in corpus.train["text"]]
    words = sorted(set(itertools.chain(*train)))
    df = np.array([sum(word in text for text in train) for word in words])
    idf = np.log((1 + len(train)) / (1 + df)) + 1

    def tfidf(texts: list[list[str]]) -> np.ndarray:
        tf = np.array([[text.count(word) for word in words] for text in texts], dtype=float)
        weights = np.where(tf > 0, 1 + np.log(np.maximum(tf, 1)), 0) * idf
        return weights / np.linalg.norm(weights, axis=1, keepdims=True)

    x, y = tfidf(train), np.asarray(corpus.train["label"])
    classes = 5

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(len(words) + 1, classes)  # the last row are the intercepts, not regularised
        scores = x @ weights[:-1] + weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        residual = probabilities - np.eye(classes)[y]
        gradient = np.vstack([3.0 * x.T @ residual + weights[:-1], 3.0 * residual.sum(axis=0)])
        loss = -3.0 * np.log(probabilities[np.arange(len(y)), y]).sum() + 0.5 * (weights[:-1] ** 2).sum()
        return loss, gradient.ravel()

    found = minimize(objective, np.zeros((len(words) + 1) * classes), jac=True, method="L-BFGS-B", tol=1e-12)
    weights = found.x.reshape(len(words) + 1, classes)
    scores = tfidf([re.findall(r"\w+", text.lower()) for text in corpus.test["text"]]) @ weights[:-1] + weights[-1]
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outcome.probabilities, expected, atol=2e-3)
    assert errors(outcome) < 0.4  # chance is 0.8


def test_the_strength_with_the_fewest_errors_on_validation_is_tested():
    """Each strength alone, its validation split put in the place of the test split."""
    corpus = load_corpus(DataSpec(name="rotten_tomatoes", train=9, validation=50, test=40))
    strengths = (1e-4, 1.0, 100.0)

    def alone(strength: float, corpus: Corpus) -> Outcome:
        return fit_bag_of_words(TOMATOES.variant({"strengths": (strength,)}), corpus)

    judged = []
    for strength in strengths:
        validated = alone(strength, dataclasses.replace(corpus, test=corpus.validation))
        evaluation = Evaluation.of(validated.probabilities, list(corpus.validation["label"]), 0, 0)
        judged.append((evaluation.error, evaluation.loss, strength))
    assert len({error for error, *_ in judged}) > 1
    outcome = fit_bag_of_words(TOMATOES.variant({"strengths": strengths}), corpus)
    assert np.array_equal(outcome.probabilities, alone(min(judged)[2], corpus).probabilities)


def test_nothing_is_random_and_case_does_not_matter():
    corpus = load_corpus(NEWS)
    first, again = (fit_bag_of_words(BagOfWordsSpec(data=NEWS, seed=seed), corpus) for seed in (0, 1))
    assert np.array_equal(first.probabilities, again.probabilities)
    shouted = corpus.train.map(lambda row: {"text": row["text"].upper()})
    other = fit_bag_of_words(BagOfWordsSpec(data=NEWS), dataclasses.replace(corpus, train=shouted))
    assert np.array_equal(first.probabilities, other.probabilities)


def test_a_class_without_training_documents_is_never_predicted():
    corpus = load_corpus(NEWS)
    kept = [row for row, label in enumerate(corpus.train["label"]) if label not in (1, 4)]
    outcome = fit_bag_of_words(BagOfWordsSpec(data=NEWS), dataclasses.replace(corpus, train=corpus.train.select(kept)))
    assert outcome.probabilities.shape == (40, 5)
    assert not outcome.probabilities[:, [1, 4]].any()
    assert outcome.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_character_of_chinese_is_a_word():
    assert re.findall(WORD, "I paid 5元 for 苹果's café_au") == [
        "I",
        "paid",
        "5",
        "元",
        "for",
        "苹",
        "果",
        "s",
        "café_au",
    ]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (
            {"good": 1, "fine": 1},
            "rotten_tomatoes: the 2 training documents are of one class, but a bag of words needs",
        ),
        ({"": 0, "...": 1}, "rotten_tomatoes: the training documents hold no words"),
    ],
)
def test_what_cannot_be_learnt_from_is_told(texts, sentence):
    with pytest.raises(StudyError, match=sentence):
        fit_bag_of_words(TOMATOES, corpus_of(train=texts, validation=texts, test=texts))
