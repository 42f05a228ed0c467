"""Parameter files: read safely, checked against their page before anything runs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tcstudy.errors import StudyError, first_line, printable
from tcstudy.experiments import EXPERIMENTS, experiment_for
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


MOST_BYTES = 100_000
"""Of a parameter file; those of the study have a few hundred."""
MOST_VALUES = 10_000
"""In a parameter file, those that aliases stand for counted each time."""
DEEPEST = 20
"""Lists and mappings within one another."""


class _Plain(yaml.SafeLoader):
    """YAML without code, without keys that stand twice, and of a size that can be told.

    An alias costs nothing to read, but what a few of them within one another stand for can fill any memory.
    """

    def get_single_data(self) -> Any:
        """The document's data."""
        node = self.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST_VALUES:
            raise _refused(f"it stands for more than {MOST_VALUES:,} values", node)
        return self.construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A mapping, if each of its keys stands once."""
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise _refused(f"the key `{key}` stands twice", node)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.Node) -> Any:
        """A scalar, if it is text that can be written."""
        value = super().construct_scalar(node)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise _refused("half of a surrogate pair is no character", node)
        return value

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """A node and what is in it."""
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(
                problem=f"more than {DEEPEST} lists and mappings stand within one another",
                problem_mark=self.peek_event().start_mark,
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Values that a node stands for; `known` are those of nodes seen before, None while they are counted."""
    if id(node) not in known:
        known[id(node)] = None
        parts = itertools.chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
        inside = 0 if isinstance(node, yaml.ScalarNode) else sum(_size(part, known) for part in parts)
        known[id(node)] = 1 + inside
    if known[id(node)] is None:
        raise _refused("an anchor stands for something that holds itself", node)
    return known[id(node)]


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)


def find_parameter_files(paths: Sequence[Path]) -> list[Path]:
    """The YAML files that are named, and those in the folders that are named, each once; a folder's as in the book.

    Raises:
        StudyError: a path does not exist, or a folder holds no YAML file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            if not path.exists():
                raise StudyError(f"{path} does not exist; parameter files are in folders such as params/smoke.")
            files = sorted(path.glob("*.yaml"), key=_place_in_book) if path.is_dir() else [path]
        except OSError as error:  # a name that is too long, a folder that cannot be entered
            raise StudyError(f"{printable(str(path)[:200])} cannot be read ({error.strerror}).") from None
        if not files:
            raise StudyError(f"{path} holds no parameter file (*.yaml).")
        found.update(dict.fromkeys(files))
    return list(found)


def _place_in_book(path: Path) -> tuple[int, str]:
    """Pages that show the records of others come after these; a file that is named after no page comes last."""
    pages = list(EXPERIMENTS)
    return (pages.index(path.stem) if path.stem in pages else len(pages)), path.name


def read_parameters(path: Path) -> ParameterFile:
    """Read one file and check every key and value against the parameters of its page.

    Raises:
        StudyError: a line for each mistake, with the file and the key.
    """
    try:
        values = yaml.load(_text(path), Loader=_Plain)  # noqa: S506 - a SafeLoader
    except StudyError:
        raise
    except Exception as error:  # noqa: BLE001 - besides its own errors YAML raises whatever Python's conversions raise
        mark = getattr(error, "problem_mark", None)
        reason = printable((getattr(error, "problem", None) or first_line(error)).splitlines()[0][:200])
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise StudyError(f"{where}: not valid YAML: {reason}") from None
    try:
        experiment = experiment_for(path.stem)
    except StudyError as error:
        raise StudyError(f"{path}: a parameter file is named after its page, and {error}") from None
    if values is None:
        values = {}
    return ParameterFile(path, values, experiment.parse(values, str(path)))


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise StudyError(f"{path} is no file.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise StudyError(f"{path} is too large for a parameter file: more than {MOST_BYTES:,} bytes.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8 text.") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}).") from None
