"""Which record was made when, on what and with which versions; not in the paper."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Status(Experiment):
    """The state of the records of the profile's other pages; trains nothing."""

    page: ClassVar = "status"
