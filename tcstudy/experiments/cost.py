"""What it costs to follow the paper's advice, and what that buys; not in the paper."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Cost(Experiment):
    """Time and operations beside errors, from the records of the profile's other pages; trains nothing."""

    page: ClassVar = "cost"
