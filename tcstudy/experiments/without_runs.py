"""The pages that train nothing: they show what the profile's other pages recorded, or what others published."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Verdicts(Experiment):
    """What became of the paper's claims: the claims beside the records of the profile's other pages."""

    page: ClassVar = "verdicts"


class Evidence(Experiment):
    """What others measured of the paper's claims: the numbers of other papers and repositories."""

    page: ClassVar = "evidence"


class Cost(Experiment):
    """What it costs to follow the paper's advice, and what that buys: time and operations beside errors."""

    page: ClassVar = "cost"


class Explore(Experiment):
    """Charts and a table of the study's claims, runs and costs that answer to a reader.

    Its encoder's tokenizer cuts the text whose windows are shown.
    """

    page: ClassVar = "explore"


class Deviations(Experiment):
    """Where the paper, its released code and this study differ, each difference with what it was worth."""

    page: ClassVar = "deviations"


class Status(Experiment):
    """Which record was made when, on what and with which versions."""

    page: ClassVar = "status"


class Speed(Experiment):
    """How fast the study is, beside Hugging Face's `Trainer` and as the work grows: the project's measurements."""

    page: ClassVar = "speed"


class Index(Experiment):
    """The page that opens the book: the verdicts, what to do, and what it costs."""

    page: ClassVar = "index"
