"""The study's claims, runs and costs to explore; not in the paper."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Explore(Experiment):
    """Charts and a table that answer to a reader, from the records of the profile's other pages; trains nothing.

    Its encoder's tokenizer cuts the text whose windows are shown.
    """

    page: ClassVar = "explore"
