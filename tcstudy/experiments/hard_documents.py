"""The test documents on which the ways to shorten a long text go wrong; not in the paper."""

from typing import ClassVar

from tcstudy.experiments.long_texts import LongTexts
from tcstudy.value import Count


class HardDocuments(LongTexts):
    """Runs of the methods for long texts, looked at document by document.

    Attributes:
        shown: documents of each kind whose text is shown, of each data set.
    """

    page: ClassVar = "hard_documents"

    shown: Count = 2
