"""What a store holds that nobody needs any more: found first, deleted only when that is asked for."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tcstudy.files import PARTIAL, is_set_aside, remove, told
from tcstudy.settings import Settings
from tcstudy.spec import AnyRun, EncoderSpec, RunSpec
from tcstudy.study.encoders import encoder_store
from tcstudy.study.results import read_all
from tcstudy.study.store import Store

_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Prunable:
    """A file or folder that can go: why, and its size in bytes."""

    path: Path
    why: str
    size: int


def prunable(settings: Settings, needed: Iterable[AnyRun] | None = None) -> list[Prunable]:
    """What can go of records and weights.

    That is what was set aside as damaged, what a killed process left half written, and locks that nobody holds. If it
    is said which runs are needed, also the records of other runs, and encoders that no needed run begins with. A
    record that cannot be understood here is never among them, nor is anything half written while a run is being made.

    Args:
        settings: where the folders are.
        needed: the runs whose records stay; None keeps all records and encoders.
    """
    folders = [settings.results, encoder_store().folder, settings.weights]
    found = [item for folder in folders if folder.is_dir() for item in _debris(folder)]
    if needed is not None:
        found += _unneeded(settings, list(needed))
    return found


def prune(items: Iterable[Prunable]) -> None:
    """Delete `items`; of locks those that still nobody holds.

    Raises:
        StudyError: something cannot be deleted.
    """
    for item in items:
        with told(item.path.parent, "Changes", "TCSTUDY_RESULTS"):
            if item.path.parent.name == "locks":
                _remove_lock(item.path)
            else:
                remove(item.path)


def _debris(folder: Path) -> Iterator[Prunable]:
    locks = sorted((folder / "locks").iterdir()) if (folder / "locks").is_dir() else []
    held = [lock for lock in locks if _is_held(lock)]
    for path in sorted(folder.iterdir()):
        if is_set_aside(path):
            yield Prunable(path, "set aside as damaged", _size(path))
        elif path.name.endswith(PARTIAL) and not held:
            yield Prunable(path, "left half written", _size(path))
    for lock in locks:
        if lock not in held:
            yield Prunable(lock, "a lock that nobody holds", _size(lock))


def _unneeded(settings: Settings, needed: Sequence[AnyRun]) -> Iterator[Prunable]:
    runs = {run.id for run in needed}
    encoders: dict[str, EncoderSpec] = {
        part.id: part for run in needed if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()
    }
    for store, ids in [(Store(settings.results), runs), (encoder_store(), encoders.keys())]:
        if store.folder.is_dir():
            for record in read_all(store)[0]:
                if record.id not in ids:
                    path = store.folder / f"{record.id}.json"
                    yield Prunable(path, "a record that no file needs", _size(path))
    states = {part.to_the_end.id for part in encoders.values()}
    for path in sorted(settings.weights.iterdir()) if settings.weights.is_dir() else []:
        if _ID.fullmatch(path.name) and path.name not in encoders:
            yield Prunable(path, "an encoder that no file needs", _size(path))
        elif _ID.fullmatch(path.stem) and path.suffix == ".state" and path.stem not in states:
            yield Prunable(path, "the state of a training that no file needs", _size(path))


def _is_held(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _remove_lock(lock: Path) -> None:
    """Delete a lock while holding it: whoever waits for it notices that its file is gone, and begins anew."""
    try:
        with FileLock(lock, timeout=0):
            lock.unlink(missing_ok=True)
    except Timeout:
        return


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(_size(inside) for inside in path.iterdir())
    return path.lstat().st_size
