"""All pages of a profile, as their parameter files describe them."""

from tcstudy.experiments import EXPERIMENTS
from tcstudy.experiments.base import Experiment
from tcstudy.publish.parameters import find_parameter_files, read_parameters
from tcstudy.settings import Settings


def has_parameters(profile: str) -> bool:
    """Whether the project holds parameter files of a profile."""
    return any((Settings.read().root / "params" / profile).glob("*.yaml"))


def experiments_of(profile: str) -> dict[str, Experiment]:
    """The experiments of the profile's parameter files, by page, in the order of the book.

    Raises:
        StudyError: the profile has no parameter files, or one is not valid.
    """
    files = find_parameter_files([Settings.read().root / "params" / profile])
    found = {file.page: file.experiment for file in map(read_parameters, files)}
    return {page: found[page] for page in EXPERIMENTS if page in found}
