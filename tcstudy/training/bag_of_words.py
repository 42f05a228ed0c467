"""A classifier without an encoder: logistic regression on TF-IDF of words and sequences of words."""

import numpy as np
from scipy.sparse import spmatrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tcstudy.corpora.loading import Corpus
from tcstudy.encoding.documents import Document
from tcstudy.errors import StudyError
from tcstudy.spec import BagOfWordsSpec
from tcstudy.training.outcome import Evaluation, Outcome

WORD = r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+"  # Chinese has no blanks between words: each character is one
MOST_ITERATIONS = 1000


def fit_bag_of_words(spec: BagOfWordsSpec, corpus: Corpus) -> Outcome:
    """Train and test the classifier that `spec` describes on `corpus`; nothing is random.

    Of the strengths, the one with the fewest errors on the validation split is tested; among equals the one of the
    lower loss, then the first.

    Raises:
        StudyError: the training documents are all of one class, or hold no words.
    """
    outcome = Outcome(encoder_digest="", made_new=(), device="cpu", processes=1)
    classes = len(corpus.facts.classes)
    labels = np.asarray(corpus.train["label"])
    if len(np.unique(labels)) < 2:
        raise StudyError(
            f"{spec.data.name}: the {len(labels):,} training documents are of one class, but a bag of words needs two: "
            "raise data.train"
        )
    outcome.begin()
    vectorizer = TfidfVectorizer(ngram_range=(1, spec.ngrams), sublinear_tf=True, token_pattern=WORD)
    words = vectorizer.build_tokenizer()
    try:
        train = vectorizer.fit_transform(corpus.train["text"])
    except ValueError:  # scikit-learn's word for no word at all
        raise StudyError(f"{spec.data.name}: the training documents hold no words: raise data.train") from None
    models = [
        LogisticRegression(C=strength, max_iter=MOST_ITERATIONS).fit(train, labels) for strength in spec.strengths
    ]
    with outcome.evaluating():
        validation = vectorizer.transform(corpus.validation["text"])
        true = list(corpus.validation["label"])
        results = [
            Evaluation.of(class_probabilities(model, validation, classes), true, step=0, epoch=0) for model in models
        ]
        best = min(range(len(models)), key=lambda i: (results[i].error, results[i].loss))
        outcome.probabilities = class_probabilities(models[best], vectorizer.transform(corpus.test["text"]), classes)
    outcome.take_time()
    outcome.tokens = outcome.padded_tokens = sum(len(words(text)) for text in corpus.train["text"])
    outcome.test = [
        Document(fractions=[], label=label, length=len(words(text)))
        for text, label in zip(corpus.test["text"], corpus.test["label"], strict=True)
    ]
    return outcome


def class_probabilities(model: LogisticRegression, features: spmatrix, classes: int) -> np.ndarray:
    """Probabilities, shape (documents, classes); zero for a class that no training document was of."""
    probabilities = np.zeros((features.shape[0], classes), dtype=np.float32)
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities
