"""Where the paper, its released code and this study differ; not in the paper."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Deviations(Experiment):
    """Each difference with what it was worth, from the records of the profile's other pages; trains nothing."""

    page: ClassVar = "deviations"
