"""What others measured of the paper's claims; not in the paper."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Evidence(Experiment):
    """The numbers of other papers and repositories beside the claims; trains nothing."""

    page: ClassVar = "evidence"
