"""Rows of tables in CSV, TSV, JSON Lines and Parquet files, one at a time, with any usual encoding and delimiter.

Also the keys by which equal texts are found.
"""

import codecs
import csv
import hashlib
import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tcstudy.errors import StudyError, first_line, nearest, shown

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_INVALID = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")


def text_key(text: str) -> int:
    """64 bits, equal for two texts that differ in case, blanks and punctuation only, or are these and nothing else.

    Among two million different texts the chance that any two share a key is about one in ten million.

    >>> text_key("It 's good!") == text_key("it's  GOOD")
    True
    """
    words = _NOT_ALPHANUMERIC.sub("", text.casefold()) or text
    return int.from_bytes(hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest())


_DELIMITERS = ",;\t|"
_NONE = "\x1f"
"""Separates units in ASCII, and stands in no text."""
_BYTES_AT_ONCE = 2**20
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WINDOWS = "cp1252"
"""Excel writes it where it is asked for CSV without UTF-8."""

MOST_TOLD = 12
"""The number of columns that an error message lists."""


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The values of `columns` in each row of a file: text in CSV, values of any type in JSON Lines and Parquet.

    Raises:
        StudyError: the file is missing or does not have the format of its suffix, or a column is missing or duplicate.
    """
    if path.suffix.lower() not in READERS:
        raise StudyError(
            f"{path} does not end in one of {', '.join(READERS)}: save the table as CSV in UTF-8, for example."
        )
    if not path.is_file():
        raise StudyError(f"{path} is missing.")
    try:
        yield from READERS[path.suffix.lower()](path, columns)
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror or first_line(error)}).") from None


def encoding_of(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, else UTF-8 if it is valid, else as Windows would read it.

    A file in UTF-8 with a few damaged bytes is none of these: read as Windows-1252, all its umlauts would be others.

    Raises:
        StudyError: it is not a text file, or has bytes that are not valid in its encoding.
    """
    with path.open("rb") as file:
        start = file.read(4)
        [encoding] = [encoding for mark, encoding in _MARKS.items() if start.startswith(mark)] or ["utf-8"]
        if encoding == "utf-16":
            if _is_valid(file, encoding, path):
                return encoding
            raise StudyError(f"{path} is marked as {encoding} text but is not valid: save it as CSV in UTF-8.")
        if _is_valid(file, encoding, path):
            return encoding
        damage = _damage(file)
        if encoding == "utf-8-sig" or damage.characters >= damage.bytes:
            unlike = "as which the file is marked" if encoding == "utf-8-sig" else "unlike the rest of the file"
            raise StudyError(
                f"{path}, line {damage.line:,}: the byte 0x{damage.byte:02x} at offset {damage.offset:,} is not valid "
                f"UTF-8, {unlike}: correct this line, or save the table as CSV in UTF-8."
            )
        if not _is_valid(file, _WINDOWS, path):
            raise StudyError(f"{path} is neither UTF-8 nor Windows-1252 text: save it as CSV in UTF-8.")
    return _WINDOWS


def _is_valid(file: BinaryIO, encoding: str, path: Path) -> bool:
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := file.read(_BYTES_AT_ONCE):
            if b"\0" in block and encoding != "utf-16":
                raise StudyError(f"{path} holds NUL bytes, so it is not a text file: save it as CSV in UTF-8.")
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


class _Damage(NamedTuple):
    """What is not valid UTF-8 in a file.

    Attributes:
        line, offset, byte: of the first invalid byte; lines count from one, offsets from zero.
        bytes: number of invalid bytes.
        characters: number of valid characters beyond ASCII.
    """

    line: int
    offset: int
    byte: int
    bytes: int
    characters: int


def _damage(file: BinaryIO) -> _Damage:
    """What is not valid in a file that is not valid UTF-8."""
    file.seek(0)
    first, invalid, characters, offset = (0, 0, 0), 0, 0, 0
    for number, line in enumerate(file, start=1):
        if not line.isascii():
            text = line.decode("utf-8", "surrogateescape")  # makes each invalid byte a character of its own
            found = _INVALID.search(text)
            if found and not invalid:
                before = len(text[: found.start()].encode("utf-8", "surrogateescape"))
                first = number, offset + before, line[before]
            here = len(_INVALID.findall(text))
            invalid += here
            characters += len(_BEYOND_ASCII.findall(text)) - here
        offset += len(line)
    return _Damage(*first, invalid, characters)


def _check_columns(path: Path, found: Sequence[str], columns: Sequence[str]) -> None:
    for name in columns:
        if found.count(name) > 1:
            raise StudyError(f"{path} has {found.count(name)} columns named {shown(name)}: rename all but one.")
        if name not in found:
            some = list(found)[:MOST_TOLD]
            more = f" and {len(found) - len(some):,} more" if len(found) > len(some) else ""
            hint = nearest(name, found)
            raise StudyError(
                f"{path} has no column {shown(name)}; it has {', '.join(map(shown, some))}{more}"
                + (f": {hint}" if hint.startswith("did you mean") else ".")
            )


def _csv(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    csv.field_size_limit(sys.maxsize)
    columns = [_name(given) for given in columns]
    with path.open(encoding=encoding_of(path), newline="") as file:
        first = file.readline()
        if first.lower().startswith("sep=") and len(first.strip()) == 5:  # by which Excel is told the delimiter
            delimiter = first[4]
        else:
            delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(first, columns)
            file.seek(0)
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            head = [_name(given) for given in next(rows, [])]
            if not path.stat().st_size:
                raise StudyError(f"{path} is empty: its first line should hold the names of the columns.")
            if not any(head):
                raise StudyError(f"{path}: its first line is empty, but should hold the names of the columns.")
            _check_columns(path, head, columns)
            places = [head.index(name) for name in columns]
            blank: list[tuple[str, ...]] = []
            for row in rows:
                if len(row) > len(head):
                    raise StudyError(
                        f"{path}, line {rows.line_num:,}: {len(row)} values, but there are {len(head)} columns: put "
                        f"texts that contain {shown(delimiter)} in quotation marks."
                    )
                if row:
                    yield from blank  # in a table of one column an empty line is a row, unless it is one of the last
                    yield tuple(row[place] if place < len(row) else "" for place in places)
                    blank.clear()
                elif len(head) == 1:
                    blank.append(("",) * len(places))
        except csv.Error as error:
            raise StudyError(f"{path}, line {rows.line_num:,}: its quotation marks do not match ({error}).") from None


def _name(given: str) -> str:
    """A column's name in one form, since an umlaut can be one character or two."""
    return unicodedata.normalize("NFC", given.strip())


def _delimiter(first: str, columns: Sequence[str]) -> str:
    """The delimiter that finds most of the wanted columns in a file's first line, or else the most columns.

    A line without any is that of a table of one column, whose texts may hold all of them.
    """

    def fits(delimiter: str) -> tuple[int, int]:
        try:
            head = [_name(given) for given in next(csv.reader(io.StringIO(first), delimiter=delimiter), [])]
        except csv.Error:
            return 0, 0
        return sum(name in head for name in columns), len(head)

    best = max(_DELIMITERS, key=fits)
    return best if fits(best)[1] > 1 else _NONE


def _json_lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    checked = False
    with path.open(encoding=encoding_of(path)) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise StudyError(f"{path}, line {number:,}: not valid JSON ({first_line(error)}).") from None
            if not isinstance(row, dict):
                raise StudyError(f"{path}, line {number:,}: each line should hold an object, not {shown(row)}.")
            if not checked:
                _check_columns(path, list(row), columns)
                checked = True
            yield tuple(row.get(name) for name in columns)


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    from pyarrow.parquet import ParquetFile  # slow to import

    try:
        file = ParquetFile(path)
        _check_columns(path, file.schema_arrow.names, columns)
        for batch in file.iter_batches(1000, columns=list(dict.fromkeys(columns))):
            yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
    except StudyError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever Parquet's reader makes of a damaged file
        raise StudyError(f"{path} cannot be read as Parquet ({first_line(error)}).") from None


READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[tuple[Any, ...]]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}


def joined_text(values: Sequence[Any], where: str) -> str:
    """The text of a row: its columns, joined by a space, with each umlaut as one character; empty if there is none.

    Raises:
        StudyError: a value is neither text nor a number.
    """
    parts = []
    for value in values:
        if value is None or value != value:  # not a number
            continue
        if not isinstance(value, str | int | float):
            raise StudyError(f"{where}: {shown(value)} is not text.")
        parts.append(str(value).strip())
    text = unicodedata.normalize("NFC", " ".join(filter(None, parts)))
    return text.encode("utf-8", "replace").decode()  # JSON can hold half a surrogate pair
