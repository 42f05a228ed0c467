"""Records that exist: what pages show that train nothing."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tcstudy.errors import StudyError
from tcstudy.spec import AnyRun
from tcstudy.study.encoders import EncoderRecord, encoder_store
from tcstudy.study.record import Record
from tcstudy.study.store import run_store

Key = TypeVar("Key", bound=Hashable)


def recorded(runs: Mapping[Key, AnyRun]) -> dict[Key, Record]:
    """The records of those of `runs` that have one, in their order; nothing is trained.

    Raises:
        StudyError: the folder of records cannot be read.
    """
    store = run_store()
    found = {key: store.get(spec) for key, spec in runs.items()}
    return {key: record for key, record in found.items() if record is not None}


@dataclass(frozen=True)
class Shelf:
    """Every record that can be found, whatever asked for it, records of older semantics included.

    Attributes:
        runs, encoders: the records.
        unread: why a file could not be read as a record, by its name.
    """

    runs: tuple[Record, ...]
    encoders: tuple[EncoderRecord, ...]
    unread: Mapping[str, str]

    @classmethod
    def read(cls) -> "Shelf":
        """Read the settings' folder and that of the published study; nothing in them is changed."""
        found: tuple[list, list] = ([], [])
        unread = {}
        for records, store in zip(found, (run_store(), encoder_store()), strict=True):
            for path in store.known_paths():
                try:
                    records.append(store.read(path))
                except (StudyError, OSError) as error:
                    unread[path.name] = str(error)
        return cls(*map(tuple, found), unread)
