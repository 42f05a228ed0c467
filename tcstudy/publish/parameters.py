"""Parameter files: read safely, checked against their page before anything runs; and all pages of a profile."""

import hashlib
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tcstudy.catalog.profiles import NAME, PROFILES
from tcstudy.catalog.rows import READERS
from tcstudy.errors import StudyError, first_line, nearest, printable, shown
from tcstudy.experiments import EXPERIMENTS
from tcstudy.experiments.base import Experiment
from tcstudy.files import near, write_whole
from tcstudy.settings import Settings
from tcstudy.spec.documents import named
from tcstudy.spec.extensions import in_file


@dataclass(frozen=True)
class ParameterFile:
    """A checked parameter file.

    Attributes:
        path: where it is.
        values: what it says, without its page; what was changed in it included.
        experiment: what that describes.
        changes: what was changed in it, by dotted keys, as the command line gave it.
    """

    path: Path
    values: dict[str, Any]
    experiment: Experiment
    changes: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        changes = ", ".join(f"{key}={text}" for key, text in self.changes.items())
        return f"{self.path} with {changes}" if changes else str(self.path)

    @property
    def page(self) -> str:
        """The page it is for."""
        return self.experiment.page

    @property
    def folder(self) -> str:
        """Name of the folder that it is in."""
        return folder_name(self.path.parent)

    @property
    def name(self) -> str:
        """Name of its executed page within those of its folder."""
        told = "".join(f"-{key}={text}" for key, text in self.changes.items())
        plain = re.sub(r"[^\w.+=-]+", "_", told)
        if len(plain) > 80 or len(plain) < len(told):  # names that lost something differ in their digests
            plain = f"{plain[:80]}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
        return self.path.stem + plain


def folder_name(folder: Path) -> str:
    """How the executed pages of the parameter files in `folder` are called together."""
    return Path(os.path.abspath(folder)).name or "pages"  # also of `..`


ENDINGS = (".yaml", ".yml")
"""Of parameter files in a folder."""
MOST_FILES = 1000
"""That changes may make of those that were named."""
MOST_BYTES = 100_000
"""Of a parameter file; those of the study have a few hundred."""
MOST_VALUES = 10_000
"""In a parameter file, those that aliases stand for counted each time."""
DEEPEST = 20
"""Lists and mappings within one another."""


class _Plain(yaml.SafeLoader):
    """YAML without code and duplicate keys, and of limited size.

    An alias costs nothing to read, but a few nested ones can expand to fill any memory.
    """

    def get_single_data(self) -> Any:
        """The document's data."""
        node = self.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST_VALUES:
            raise _refused(f"it expands to more than {MOST_VALUES:,} values", node)
        return self.construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A mapping, if each of its keys stands once."""
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise _refused(f"the key `{key}` is given twice", node)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.Node) -> Any:
        """A scalar, if it is text that can be written."""
        value = super().construct_scalar(node)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise _refused("half of a surrogate pair is not a character", node)
        return value

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """A node and what is in it."""
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(
                problem=f"more than {DEEPEST} lists and mappings are nested",
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
        raise _refused("an anchor stands for something that contains itself", node)
    return known[id(node)]


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)


def find_parameter_files(paths: Sequence[Path]) -> list[Path]:
    """The YAML files that are named, and those in the folders that are named, each once; a folder's by name.

    What is not found from the current folder is looked for in the project's.

    Raises:
        StudyError: a path does not exist, or a folder holds no YAML file.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = given
        try:
            if not path.exists() and (Settings.read().project / path).exists():
                path = Settings.read().project / path
            if not path.exists():
                raise StudyError(f"{path} does not exist; parameter files are in folders such as params/smoke.")
            files = sorted(file for file in path.iterdir() if file.suffix in ENDINGS) if path.is_dir() else [path]
        except OSError as error:  # a name that is too long, a folder that cannot be entered
            raise StudyError(f"{printable(str(path)[:200])} cannot be read ({error.strerror}).") from None
        if not files:
            within = sorted(folder for folder in path.iterdir() if next(folder.glob("*.yaml"), None))
            hint = f"; these folders in it do: {', '.join(map(str, within))}" if within else ""
            raise StudyError(f"{path} holds no parameter file (*.yaml){hint}.")
        found.update(dict.fromkeys(files))
    return list(found)


def read_all(paths: Sequence[Path], changes: Sequence[str] = ()) -> list[ParameterFile]:
    """Find and read parameter files; those of a folder in the order of the book, pages of other pages' records last.

    Each is changed as `grid` takes `changes`.

    Raises:
        StudyError: the mistakes of all files, a line for each; or two files have one place for their pages.
    """
    combinations, pages = grid(changes), list(EXPERIMENTS)
    files: list[ParameterFile] = []
    mistakes: dict[str, None] = {}
    seen: set[str] = set()
    for given in paths:
        group = []
        for path, combination in itertools.product(find_parameter_files([given]), combinations):
            try:
                group += [] if os.path.abspath(path) in seen else [read_parameters(path, combination)]
            except StudyError as error:
                mistakes[str(error)] = None
        seen.update(map(os.path.abspath, find_parameter_files([given])))
        files += sorted(group, key=lambda file: pages.index(file.page))
    if mistakes:
        raise StudyError("\n".join(mistakes))
    check_places(files)
    return files


def keep_as(folder: Path, files: Sequence[ParameterFile]) -> list[ParameterFile]:
    """Write what files say, with their changes, into `folder` as parameter files of its own.

    A file that is there already and says the same stays.

    Raises:
        StudyError: one with another content is there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for file in files:
            path = folder / f"{file.name}.yaml"
            values = {name: value for name, value in file.values.items() if name != "profile"}
            text = yaml.safe_dump({"page": file.page, **values}, sort_keys=False, allow_unicode=True)
            if path.exists() and path.read_text(encoding="utf-8") != text:
                raise StudyError(f"{path} already exists with other parameters: give --as another folder.")
            write_whole(path, text)
            written.append(read_parameters(path))
    except OSError as error:
        raise StudyError(f"{folder} cannot be written ({error.strerror}).") from None
    check_places(written)
    return written


def check_places(files: Iterable[ParameterFile]) -> None:
    """See that no two files have one place for their executed pages.

    Raises:
        StudyError: two have; names both.
    """
    taken: dict[str, ParameterFile] = {}
    for file in files:
        for name in (file.name, f"{file.name}.failed"):
            place = f"{file.folder}/{name}"
            other = taken.setdefault(place.casefold(), file)  # as file systems that take a for A
            if other is not file:
                raise StudyError(
                    f"{file} and {other} would both be written to _build/pages/{place}.ipynb: rename one of them or "
                    "its folder."
                )


def grid(changes: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of the values that `--set` gives, by dotted key; each as it was written.

    Args:
        changes: each `key=value`, or `key=value,value` for one combination with either; a list is in brackets.

    Raises:
        StudyError: one of them is not of that form, or they are too many.

    >>> grid(["a.b=1,2", "seeds=[0, 1]"])
    [{'a.b': '1', 'seeds': '[0, 1]'}, {'a.b': '2', 'seeds': '[0, 1]'}]
    """
    values: dict[str, list[str]] = {}
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        if not (key and equals and text):
            raise StudyError(
                f"--set {printable(change[:80])}: a change has the form key=value, for example training.epochs=3."
            )
        if key in values:
            raise StudyError(f"--set {printable(key[:80])} is given twice: separate several values by commas.")
        values[key] = _split(text)
        if twice := [value for value, number in Counter(values[key]).items() if number > 1]:
            raise StudyError(f"--set {printable(key[:80])} has the value {printable(twice[0][:80])} twice.")
    if (number := len(list(itertools.islice(itertools.product(*values.values()), MOST_FILES + 1)))) > MOST_FILES:
        raise StudyError(f"--set makes more than the allowed {number - 1:,} pages of each file.")
    return [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]


def _split(text: str) -> list[str]:
    """The parts of `text` between commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        quote = "" if character == quote else quote or (character if character in "\"'" else "")
        depth += 0 if quote else (character in "[{") - (character in "]}")
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def read_parameters(path: Path, changes: Mapping[str, str] | None = None) -> ParameterFile:
    """Read one file and check every key and value against the parameters of its page.

    The key `page` names the page, by default the file's name does. The key `profile` is by default the folder's name.

    `changes` are YAML values that stand for the file's, by dotted keys; a number names a place in a list. A file that
    is changed belongs to no profile of the project, unless it names one.

    Raises:
        StudyError: a line for each mistake, with the file and the key.
    """
    values = _yaml(_text(path), str(path))
    values = {} if values is None else values
    experiment = _experiment(values, path)
    source = str(path)
    if isinstance(values, dict):
        values = {key: value for key, value in values.items() if key != "page"}
        if not NAME.fullmatch(default := folder_name(path.parent)):
            default = "custom"
        if changes:
            source = f"{path} with --set"
            values |= {"profile": "custom" if values.get("profile", default) in PROFILES else default}
        values.setdefault("profile", default)
        for key, text in (changes or {}).items():
            values = _changed(values, key.split("."), _yaml(text, f"--set {key}={text}"[:100]), key)
    try:
        values = _with_names(values)
    except StudyError as error:
        raise StudyError(f"{source}: {error}") from None
    try:
        return ParameterFile(path, values, experiment.parse(values, source), dict(changes or {}))
    except StudyError as error:
        told = str(error)
        for key, text in (changes or {}).items():
            if f"{key}: " in told and not text.startswith("["):
                example = f'--set "{printable(key[:80])}=[..., ...]"'
                told = told.replace("it should be a valid list", f"a list is in brackets: {example}")
        raise StudyError(told) from None


def _experiment(values: Any, path: Path) -> type[Experiment]:
    """The experiment of the page that a file names, or is named after."""
    page = values.get("page", path.stem) if isinstance(values, dict) else path.stem
    if isinstance(page, str) and page in EXPERIMENTS:
        return EXPERIMENTS[page]
    told = f"{path}: there is no page {shown(page)}; {nearest(str(page), EXPERIMENTS)}"
    if not (isinstance(values, dict) and "page" in values):
        told += " (a file that is not named after its page needs the key `page`, for example `page: long_texts`)"
    raise StudyError(told)


def _changed(place: Any, path: Sequence[str], value: Any, key: str) -> Any:
    """A copy of `place`, lists and mappings within one another, with `value` at the end of `path`.

    Raises:
        StudyError: a part of the path, whose dotted key is `key`, leads nowhere.
    """
    if not path:
        return value
    part, *rest = path
    if place is None or isinstance(place, dict):
        place = place or {}
        return {**place, part: _changed(place.get(part), rest, value, key)}
    if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
        number = int(part)
        return [*place[:number], _changed(place[number], rest, value, key), *place[number + 1 :]]
    raise StudyError(f"--set {printable(key[:80])}: there is no `{printable(part[:80])}` in {shown(place)}.")


def _yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Plain)  # noqa: S506 - a SafeLoader
    except Exception as error:  # noqa: BLE001 - besides its own errors YAML raises whatever Python's conversions raise
        mark = getattr(error, "problem_mark", None)
        reason = printable((getattr(error, "problem", None) or first_line(error)).splitlines()[0][:200])
        where = f"{source}, line {mark.line + 1}" if mark else source
        raise StudyError(f"{where}: not valid YAML: {reason}") from None


def _with_names(values: Any) -> Any:
    """Values with a user's own texts and extensions replaced by content digests, the same from any folder."""
    if isinstance(values, list):
        return [_with_names(value) for value in values]
    if isinstance(values, dict):
        return named({key: _with_names(value) for key, value in values.items()})
    return in_file(values) if isinstance(values, str) else values


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise StudyError(f"{path} is not a file.")
        if path.suffix.lower() in READERS:
            raise StudyError(f"{path} is a table, not a parameter file: for your own texts there is tcstudy apply.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise StudyError(f"{path} is too large for a parameter file: more than {MOST_BYTES:,} bytes.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not UTF-8 text.") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}).") from None


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
