"""What a store holds that nobody needs any more: found first, deleted only when that is asked for."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tcstudy.files import PARTIAL, is_set_aside, remove, told
from tcstudy.settings import Settings
from tcstudy.spec import AnyRun, EncoderSpec, RunSpec
from tcstudy.study.encoders import EncoderRecord, encoder_store
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

    That is what was set aside as damaged, what a killed process left half written, states of trainings that have
    ended, and locks that nobody holds. If it is said which runs are needed, also records and states of other runs, and
    encoders that no needed run begins with. A record that cannot be understood here is never among them, nor is
    anything half written while a run is being made.

    Args:
        settings: where the folders are.
        needed: the runs whose records stay; None keeps all records and encoders.
    """
    folders = [settings.results, encoder_store().folder, settings.weights]
    locks = [path for folder in folders if (folder / "locks").is_dir() for path in sorted((folder / "locks").iterdir())]
    free = [lock for lock in locks if not _is_held(lock)]
    found = [item for folder in folders if folder.is_dir() for item in _debris(folder, len(free) < len(locks))]
    found += [Prunable(lock, "a lock that nobody holds", _size(lock)) for lock in free]
    needed = None if needed is None else list(needed)
    found += _states(settings, needed)
    if needed is not None:
        found += _unneeded(settings, needed)
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


def _debris(folder: Path, being_made: bool) -> Iterator[Prunable]:
    for path in sorted(folder.iterdir()):
        if is_set_aside(path):
            yield Prunable(path, "set aside as damaged", _size(path))
        elif path.name.endswith(PARTIAL) and not being_made:
            yield Prunable(path, "left half written", _size(path))


def _states(settings: Settings, needed: Sequence[AnyRun] | None) -> Iterator[Prunable]:
    """States of runs that have a record, left by a process that was killed just then, and of what nobody needs."""
    wanted = {run.id for run in needed or ()} | {part.to_the_end.id for part in _encoders(needed or ())}
    for path in sorted(settings.weights.glob("*.state")):
        if not _ID.fullmatch(path.stem):
            continue
        if (settings.results / f"{path.stem}.json").exists():
            yield Prunable(path, "the state of a training that has ended", _size(path))
        elif needed is not None and path.stem not in wanted:
            yield Prunable(path, "the state of a training that no file needs", _size(path))


def _encoders(runs: Iterable[AnyRun]) -> list[EncoderSpec]:
    """The encoders that have to be made for `runs`."""
    return [part for run in runs if isinstance(run, RunSpec) for part in run.encoder.made_on_the_way()]


def _unneeded(settings: Settings, needed: Sequence[AnyRun]) -> Iterator[Prunable]:
    runs = {run.id for run in needed}
    encoders = {encoder.id for encoder in _encoders(needed)}
    own = Store(settings.results), Store(encoder_store().folder, EncoderRecord)  # and not the published ones
    for store, ids in zip(own, (runs, encoders), strict=True):
        if store.folder.is_dir():
            for record in read_all(store)[0]:
                if record.id not in ids:
                    path = store.folder / f"{record.id}.json"
                    yield Prunable(path, "a record that no file needs", _size(path))
    for path in sorted(settings.weights.iterdir()) if settings.weights.is_dir() else []:
        if _ID.fullmatch(path.name) and path.name not in encoders:
            yield Prunable(path, "an encoder that no file needs", _size(path))


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
