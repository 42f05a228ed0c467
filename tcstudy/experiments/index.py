"""The page that opens the book: the verdicts, what to do, and what it costs."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Index(Experiment):
    """The claims beside the records of the profile's other pages, in short; trains nothing."""

    page: ClassVar = "index"
