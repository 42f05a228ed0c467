"""Parquet files of a local data folder: what is read of them, and what is said of those that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow
from pyarrow.parquet import ParquetFile

from tcstudy.errors import StudyError, first_line, shown
from tcstudy.files import digest_of

COLUMNS = ["text", "label"]
ROWS = 1000
"""Held in memory at once."""


def digest_of_data(path: Path) -> str:
    """SHA-256 of a data file.

    Raises:
        StudyError: it is missing or cannot be read.
    """
    if not path.is_file():
        raise StudyError(f"{path} is missing.")
    with _telling(path):
        return digest_of(path)


def open_data(path: Path) -> ParquetFile:
    """A data file, opened; it has the columns `text` and `label`, each once.

    Raises:
        StudyError: it is missing or no Parquet, or has other columns.
    """
    if not path.is_file():
        raise StudyError(f"{path} is missing.")
    with _telling(path):
        parquet = ParquetFile(path)
        names = parquet.schema_arrow.names
    if missing := sorted({*COLUMNS} - {*names}):
        raise StudyError(f"{path} lacks the column {' and '.join(missing)}; it has {shown(names)}.")
    if any(names.count(name) > 1 for name in COLUMNS):
        raise StudyError(f"{path} has a column twice; it has {shown(names)}.")
    return parquet


def write_columns(path: Path, table: Path) -> None:
    """Write text and label of a data file to `table`, as an Arrow stream.

    Raises:
        StudyError: the file cannot be read, or has other columns.
        OSError: the stream cannot be written.
    """
    with open_data(path) as parquet:
        with _telling(path):
            schema = pyarrow.schema([(name, _plain(parquet.schema_arrow.field(name).type)) for name in COLUMNS])
        with pyarrow.OSFile(str(table), "wb") as file, pyarrow.ipc.new_stream(file, schema) as stream:
            for batch in _batches(parquet, schema, path):
                stream.write_batch(batch)


def _batches(parquet: ParquetFile, schema: pyarrow.Schema, path: Path) -> Iterator[pyarrow.RecordBatch]:
    with _telling(path):
        batches = parquet.iter_batches(ROWS, columns=COLUMNS)
    while True:
        with _telling(path):
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)  # that texts are UTF-8, for example
            plain = batch.select(COLUMNS).cast(schema)
        yield plain


def _plain(kind: pyarrow.DataType) -> pyarrow.DataType:
    """The type that a column is kept in: one for all kinds of text, any other as it is."""
    value = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    is_text = pyarrow.types.is_string(value) or pyarrow.types.is_large_string(value)
    return pyarrow.string() if is_text else value


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever Parquet's reader makes of a damaged file
        if isinstance(error, OSError) and error.errno is not None:
            raise StudyError(f"{path} cannot be read ({error.strerror}).") from None
        raise StudyError(f"{path} cannot be read as Parquet ({first_line(error)}).") from None
