"""A user's own readers, windows and losses: named in a description, identified by the digest of their source.

In a parameter file `readers.py:MeanMax` names what `MeanMax` is in that file; in a notebook `register` names what
stands below it. A description holds the name with a digest, `MeanMax@0123456789ab`, so that other source is another
run. A copy of a file is kept, so that any process can load it; what a notebook registered is in its own process only.
"""

import ast
import functools
import hashlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType
from typing import Any, Literal, TypeVar, get_args

from pydantic import AfterValidator

from tcstudy.errors import StudyError, first_line, nearest, shown
from tcstudy.files import told, write_whole
from tcstudy.settings import Settings

Kind = Literal["reader", "window", "loss"]
Made = TypeVar("Made", bound=Callable)

_KNOWN = re.compile(r"(\w+)@([0-9a-f]{12})")
_IN_FILE = re.compile(r"(.+\.py):(\w+)")
_PLAIN = (str, int, float, bool, tuple, type(None))
_registered: dict[tuple[str, str], Callable] = {}  # by kind and name with digest
_names: dict[tuple[str, str], str] = {}  # the same by kind and name, the latest


def register(kind: Kind, name: str | None = None) -> Callable[[Made], Made]:
    """Register the decorated class or function as a reader, window method or loss that descriptions can name.

    Args:
        kind: "reader", a class like `models.classifier.MeanReader`; "window", a function like
            `encoding.windows.spans`; "loss", a function of logits (documents, classes) and labels (documents,) that
            returns (documents,).
        name: its name in descriptions; by default its own name.

    Raises:
        StudyError: `kind` is another one, a reader is not a class, something else is one, or its source cannot be
            found, so it could not be identified.
    """
    if kind not in get_args(Kind):
        raise StudyError(
            f"register({shown(kind)}): what is registered is a reader, a window or a loss, for example "
            '@register("reader").'
        )

    def under_its_name(made: Made) -> Made:
        own = name or made.__name__
        _checked(kind, own, made)
        try:
            known = f"{own}@{_digest(_with_helpers(made).encode())}"
        except (OSError, TypeError) as error:
            reason = first_line(error)
            raise StudyError(f"The source of {own} cannot be found ({reason}): move it to a file.") from None
        _registered[kind, known] = made
        _names[kind, own] = known
        return made

    return under_its_name


def _with_helpers(made: Callable) -> str:
    """The source of a function or a class, and that of the functions and the plain values beside it that it uses.

    Raises:
        OSError, TypeError: a source cannot be found.
    """
    found: dict[str, str] = {}
    left = (
        [member for member in vars(made).values() if inspect.isfunction(member)] if isinstance(made, type) else [made]
    )
    while left:
        function = left.pop()
        for name in _names_in(function.__code__):
            value = function.__globals__.get(name)
            if name in found or value is made:
                continue
            if inspect.isfunction(value) and value.__module__ == function.__module__:
                found[name] = inspect.getsource(value)
                left.append(value)
            elif name in function.__globals__ and isinstance(value, _PLAIN):
                found[name] = f"{name} = {value!r}"
    return "\n".join([_source(made), *(found[name] for name in sorted(found))])


def _names_in(code: CodeType) -> set[str]:
    """The names that code, and the functions within it, look up."""
    within = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return {*code.co_names}.union(*map(_names_in, within))


def _source(made: Callable) -> str:
    """The source of a function or a class; of a class in a notebook, which Python does not find, of its functions.

    Raises:
        OSError, TypeError: it cannot be found.
    """
    try:
        return inspect.getsource(made)
    except (OSError, TypeError):
        functions = [member for _, member in sorted(vars(made).items()) if inspect.isfunction(member)]
        if not functions:
            raise
        named = [(key, value) for key, value in sorted(vars(made).items()) if not key.startswith("__")]
        values = [f"{key} = {value!r}" for key, value in named if isinstance(value, _PLAIN)]
        bases = [base.__qualname__ for base in made.__bases__]
        return "\n".join([*bases, *values, *map(inspect.getsource, functions)])


def extensible(kind: Kind, built_in: Iterable[str]) -> AfterValidator:
    """Takes one of the names `built_in`, or what names an extension, which becomes its name with the digest."""
    built_in = tuple(built_in)

    def known(given: str) -> str:
        if given in built_in or _KNOWN.fullmatch(given):
            return given
        if _IN_FILE.fullmatch(given):
            return in_file(given)
        if (kind, given) in _names:
            return _names[kind, given]
        example = given if given.isidentifier() else "Name"
        hint = nearest(given, [*built_in, *(name for of, name in _names if of == kind)])
        raise StudyError(
            f"{shown(given)} is not allowed here; {hint if hint.endswith('?') else f'{hint}.'} A {kind} of "
            f"your own is named by its file, such as methods.py:{example}"
        )

    return AfterValidator(known)


def in_file(given: str) -> str:
    """`path/readers.py:MeanMax` as a name with the file's digest, and anything else as it is; the file is copied.

    Raises:
        StudyError: there is no such file, or it cannot be copied.
    """
    found = _IN_FILE.fullmatch(given)
    if not found:
        return given
    path = Path(found[1])
    try:
        source = path.read_bytes()
        text = source.decode("utf-8")
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror or first_line(error)}).") from None
    except ValueError as error:
        raise StudyError(f"{path} cannot be read ({first_line(error)}).") from None
    try:
        ast.parse(text, str(path))
    except (SyntaxError, ValueError) as error:
        raise StudyError(f"{path} is not valid Python ({first_line(error)}).") from None
    if not re.search(rf"^(class|def)\s+{found[2]}\b|^{found[2]}\s*=", text, re.MULTILINE):
        there = re.findall(r"^(?:class|def)\s+(\w+)", text, re.MULTILINE)
        hint = f"; {nearest(found[2], there)}" if there else "."
        raise StudyError(f"{path} has no class or function {found[2]}{hint}")
    copy = _copy(digest := _digest(source))
    with told(copy.parent, "Extensions", "TCSTUDY_CACHE"):
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_whole(copy, text)
    return f"{found[2]}@{digest}"


def extension(kind: Kind, name: str) -> Callable:
    """What a name with a digest stands for.

    Raises:
        StudyError: this machine has not seen its source, or its file cannot be run.
    """
    if (kind, name) in _registered:
        return _registered[kind, name]
    own, digest = _KNOWN.fullmatch(name).groups()
    if not _copy(digest).is_file():
        raise StudyError(f"The {kind} {name} is not known here: run the cell that registers it, or give its file.")
    made = getattr(_module(_copy(digest)), own, None)
    if not callable(made):
        raise StudyError(f"The {kind} {name} is neither a class nor a function.")
    return _checked(kind, name, made)


def _checked(kind: Kind, name: str, made: Callable) -> Callable:
    """What is used as a `kind`, if it is a class where that is needed, and nowhere else."""
    if isinstance(made, type) != (kind == "reader"):
        is_one, needed = ("class", "function") if isinstance(made, type) else ("function", "class")
        raise StudyError(f"{name} is a {is_one}, but a {kind} is a {needed}.")
    return made


@functools.cache
def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"tcstudy_extension_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - whatever one's own file raises
        raise StudyError(f"The file with the digest {path.stem} cannot be run ({first_line(error)}).") from None
    return module


def _copy(digest: str) -> Path:
    return Settings.read().cache / "extensions" / f"{digest}.py"


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:12]
