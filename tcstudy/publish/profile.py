"""All pages of a profile, as their parameter files describe them."""

from pathlib import Path

from tcstudy.catalog.profiles import NAME
from tcstudy.errors import StudyError, nearest
from tcstudy.experiments import EXPERIMENTS
from tcstudy.experiments.base import Experiment
from tcstudy.files import near
from tcstudy.publish.parameters import ENDINGS, ParameterFile, read_all
from tcstudy.settings import Settings


def profile_folder(name: str) -> Path:
    """The folder of parameter files that is meant by `name`: one in `params/`, or the path of one, such as `.`."""
    inside = Settings.read().project / "params" / name
    known = NAME.fullmatch(name) and inside.is_dir()
    return inside if known or not Path(name).is_dir() else Path(name)


def has_parameters(profile: str) -> bool:
    """Whether the project holds parameter files of a profile."""
    folder = profile_folder(profile)
    return folder.is_dir() and any(path.suffix in ENDINGS for path in folder.iterdir())


def check_profile(name: str | None) -> None:
    """See that a profile has parameter files; None, for none, is fine.

    Raises:
        StudyError: it has none.
    """
    if name is not None and not has_parameters(name):
        params = Settings.read().project / "params"
        known = [folder.name for folder in params.iterdir() if folder.is_dir()] if params.is_dir() else []
        raise StudyError(f"There are no parameter files in {near(profile_folder(name))}; {nearest(name, known)}")


def experiments_of(profile: str) -> dict[str, Experiment]:
    """The experiments of the profile's parameter files, by page, in the order of the book.

    Of several files of one page the one that is named after it is taken, or else the first by name.

    Raises:
        StudyError: the profile has no parameter files, or one is not valid.
    """
    if not has_parameters(profile):
        raise StudyError(f"this page reads the other pages of the profile {profile}, but params/{profile} has none")
    found = by_page(read_all([profile_folder(profile)]))
    return {page: file.experiment for page, file in found.items()}


def by_page(files: list[ParameterFile]) -> dict[str, ParameterFile]:
    """The file of each page, the one that is named after it before others, in the order of the book."""
    found: dict[str, ParameterFile] = {}
    for file in files:
        if file.page not in found or file.name == file.page:
            found[file.page] = file
    return {page: found[page] for page in EXPERIMENTS if page in found}
