"""What became of the paper's claims; not in the paper."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Verdicts(Experiment):
    """The claims beside the records of the profile's other pages; trains nothing."""

    page: ClassVar = "verdicts"
