import pytest

from tcstudy.report.measured import UNKNOWN, why_not_taken
from tcstudy.spec import EncoderSpec
from tcstudy.training.outcome import HeadQuality

ENCODER = EncoderSpec.model_validate(
    {"name": "minilm-l6-uncased", "stages": [{"corpus": [{"name": "imdb"}, {"name": "trec"}]}]}
)


def test_it_took_if_the_loss_fell_below_that_of_counting_and_pairs_are_told(took):
    assert why_not_taken(took(ENCODER), "imdb") == ""
    assert why_not_taken(took(ENCODER), "ag_news") == ""  # of which the corpus has none: its own texts count


@pytest.mark.parametrize(
    ("measures", "told"),
    [
        ({"after": 4.5}, "the MLM loss on IMDb is 4.50 nats after it, 4.00 before"),
        (
            {"before": 11.9, "after": 5.6, "bigram": 5.2},
            "is 5.60 nats after it, that of counts of neighbouring words 5.20",
        ),
        ({"right": 0.5}, "NSP is no better than chance (50.0% of 200 pairs right)"),
        ({"right": 0.56}, "NSP is no better than chance (56.0% of 200 pairs right)"),  # by its interval
    ],
)
def test_it_did_not_take(took, measures, told):
    reason = why_not_taken(took(ENCODER, **measures), "imdb")
    assert reason.startswith("the pre-training did not take: ")
    assert told in reason


def test_without_measures_it_is_not_known(took):
    record = took(ENCODER)
    record.texts = ()
    assert why_not_taken(record, "imdb") == why_not_taken(None, "imdb") == UNKNOWN
    record.measured = HeadQuality(mlm_loss=3.0, words=100, nsp_accuracy=0.498, pairs=448)
    assert "no better than chance (49.8% of 448 pairs right)" in why_not_taken(record, "imdb")


def test_a_handful_of_pairs_says_nothing_of_next_sentences(took):
    record = took(ENCODER)
    few = HeadQuality(mlm_loss=3.0, words=100, nsp_accuracy=1 / 3, pairs=3)
    record.measured, record.texts = few, tuple(text.model_copy(update={"after": few}) for text in record.texts)
    assert why_not_taken(record, "trec") == ""


def test_what_counts_is_text_of_the_corpus(took):
    """Pre-training on other texts may take without the loss on a task's own, which was only measured, falling."""
    record = took(ENCODER)
    foreign = record.texts[0].model_copy(update={"name": "ag_news", "after": record.texts[0].before})
    record.texts = (*record.texts, foreign)
    assert why_not_taken(record, "ag_news") == ""
