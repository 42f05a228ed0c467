"""Manipulation check: whether a further pre-training took. If not, comparisons that rest on it test nothing."""

from scipy import stats

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.tables import percent
from tcstudy.study.encoders import EncoderRecord
from tcstudy.training.outcome import HeadQuality

LEVEL, CHANCE = 0.95, 0.5
UNKNOWN = "the records do not show whether the pre-training took"


def why_not_taken(record: EncoderRecord | None, dataset: str) -> str:
    """Why a further pre-training did not take on the text of a data set, or is not known to; empty where it did.

    It took if it lowered the MLM loss on held-out text of the set, to less than that of counts of neighbouring words;
    and if NSP, where it was trained on enough pairs to tell, is right more often than by chance. Where the corpus has
    no text of the set, the corpus's own text decides.

    Args:
        record: of the encoder at the end of the pre-training; None where there is none.
        dataset: the data set that the encoder is fine-tuned on.
    """
    if record is None:
        return UNKNOWN
    corpus = {text.name for text in record.spec.stages[-1].corpus}
    read = [text for text in record.texts if text.name in corpus]
    texts = [text for text in read if text.name == dataset] or read
    if record.measured and (by_chance := _nsp_by_chance(record.measured)):
        return f"the pre-training did not take: {by_chance}"
    if not texts:
        return UNKNOWN
    for text in texts:
        after, before = text.after.mlm_loss, text.before.mlm_loss
        if by_chance := _nsp_by_chance(text.after):
            return f"the pre-training did not take: {by_chance}, on {dataset_title(text.name)}"
        if after is None:
            continue  # MLM was no part of it
        if before is None:
            return UNKNOWN
        told = f"the MLM loss on {dataset_title(text.name)} is {after:.2f} nats after it"
        if after >= before:
            return f"the pre-training did not take: {told}, {before:.2f} before it"
        if after >= text.bigram:
            return f"the pre-training did not take: {told}, that of counts of neighbouring words {text.bigram:.2f}"
    return ""


def _nsp_by_chance(heads: HeadQuality) -> str:
    """Says that NSP is no better than chance; empty where it is better, untrained, or has too few pairs to tell."""
    if heads.nsp_accuracy is None or not heads.pairs or _lowest(heads.pairs, heads.pairs) <= CHANCE:
        return ""
    if _lowest(round(heads.nsp_accuracy * heads.pairs), heads.pairs) > CHANCE:
        return ""
    return f"NSP is no better than chance ({percent(heads.nsp_accuracy)} of {heads.pairs:,} pairs right)"


def _lowest(right: int, pairs: int) -> float:
    """The lower end of a share's exact interval."""
    return float(stats.binomtest(right, pairs).proportion_ci(LEVEL).low)
