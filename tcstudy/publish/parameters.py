"""Parameter files: read safely, checked against their page before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tcstudy.errors import StudyError
from tcstudy.experiments import experiment_for
from tcstudy.experiments.base import Experiment


@dataclass(frozen=True)
class ParameterFile:
    """A checked parameter file: its path, what it says, and the experiment it describes."""

    path: Path
    values: dict[str, Any]
    experiment: Experiment

    @property
    def page(self) -> str:
        """The page it is for."""
        return self.path.stem


class _UniqueKeys(yaml.SafeLoader):
    """YAML without code and without keys that stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key `{key}` stands twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


def find_parameter_files(paths: Sequence[Path]) -> list[Path]:
    """The YAML files that are named, and those in the folders that are named, each once, in order.

    Raises:
        StudyError: a path does not exist, or a folder holds no YAML file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise StudyError(f"{path} does not exist; parameter files are in folders such as params/smoke.")
        files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not files:
            raise StudyError(f"{path} holds no parameter file (*.yaml).")
        found.update(dict.fromkeys(files))
    return list(found)


def read_parameters(path: Path) -> ParameterFile:
    """Read one file and check every key and value against the parameters of its page.

    Raises:
        StudyError: a line for each mistake, with the file and the key.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8 text.") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, TypeError, RecursionError) as error:  # TypeError: a key that is a list or a mapping
        mark = getattr(error, "problem_mark", None)
        reason = str(getattr(error, "problem", None) or error).splitlines()[0]
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise StudyError(f"{where}: not valid YAML: {reason}") from None
    try:
        experiment = experiment_for(path.stem)
    except StudyError as error:
        raise StudyError(f"{path}: a parameter file is named after its page, and {error}") from None
    if values is None:
        values = {}
    return ParameterFile(path, values, experiment.parse(values, str(path)))
