"""A user's own texts as a data set: files are read once, checked, split, and stored under their content digest.

The digest names the data set, so that training on other content is a different run, wherever the file is.
"""

import functools
import hashlib
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from tcstudy.catalog.datasets import DatasetFacts
from tcstudy.catalog.encoders import HUB_ID
from tcstudy.catalog.hub import give_up_at_once_without_network
from tcstudy.catalog.rows import READERS, encoding_of, joined_text, read_rows, text_key
from tcstudy.errors import StudyError, first_line, shown
from tcstudy.files import partial_folder, told, write_whole
from tcstudy.settings import Settings
from tcstudy.value import NonEmpty, Value

if TYPE_CHECKING:
    import datasets

MOST_CLASSES = 256
"""A record stores a class in one byte."""
LEAST_DOCUMENTS = 5
"""Per class: one for testing, perhaps one for validation, and some to train on."""
_PARTS = ("train", "test")
_WORDPIECES_OF_A_WORD = 1.25
"""A rough average, used for plans only."""


class TextFiles(Value):
    """Where a user's own texts are, as given in a parameter file.

    Attributes:
        path: a file (CSV, TSV, JSON Lines, Parquet), a folder with `train` and perhaps `test` files of these types, or
            the id of a data set of the hub.
        revision: the commit of a data set of the hub.
        text: the column of the texts, or several to be joined by a space.
        label: the column of the labels, text or whole numbers; None reads texts only, for pre-training.
        language: ISO 639-1 code.
    """

    path: str
    revision: str | None = None
    text: NonEmpty[str] = ("text",)
    label: str | None = None
    language: str = "en"

    @field_validator("language")
    @classmethod
    def _language_is_a_code(cls, given: str) -> str:
        if not re.fullmatch("[a-z]{2}", given):
            raise StudyError(f"{shown(given)} is not an ISO 639-1 code: two small letters, such as en or de")
        return given

    @property
    def columns(self) -> list[str]:
        """The columns that are read, with the label column last."""
        return [*self.text, *([] if self.label is None else [self.label])]

    @field_validator("text", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given


@dataclass
class _Part:
    """Rows of a file: texts, labels, and the number of rows without text or label."""

    texts: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    left_out: int = 0


def own_dataset(given: TextFiles) -> DatasetFacts:
    """The data set that files make, read and stored on first use; read again only if they change.

    Without a test split, a fifth of each class is for testing: the texts with the lowest `text_key`, which does not
    depend on any library's random numbers and keeps equal texts in one split.

    Raises:
        StudyError: a file cannot be read, or cannot be used as a data set to train on.
    """
    files = _files(given)
    seen = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files.values())
    return _own_dataset(given, tuple(files.items()), seen, Settings.read().cache)


@functools.lru_cache(maxsize=64)
def _own_dataset(
    given: TextFiles, files: tuple[tuple[str, Path], ...], seen: tuple[tuple[str, int, int], ...], cache: Path
) -> DatasetFacts:
    parts = {part: _part(given, read_rows(path, given.columns), str(path)) for part, path in files}
    parts = parts or _read_hub(given)
    left_out = (part.left_out for part in parts.values() if part.left_out)
    notes = [f"{number:,} {_rows(number)} without text or label left out" for number in left_out]
    as_text = (path for _, path in files if path.suffix.lower() != ".parquet")
    notes += [f"{path.name} was read as Windows-1252" for path in as_text if encoding_of(path) == "cp1252"]
    if given.label is None:
        classes, splits = [], {"train": [(text, 0) for of in parts.values() for text in of.texts], "test": []}
    else:
        classes = _classes(given, parts)
        place = {name: number for number, name in enumerate(classes)}
        rows = {
            part: [(text, place[str(label)]) for text, label in zip(of.texts, of.labels, strict=True)]
            for part, of in parts.items()
        }
        splits, tested = _split(rows, len(classes))
        _check_classes(given, splits, classes, tested)
        by_hash = "a fifth of each class is for testing, chosen by a hash of the text"
        how_split = "split into training and test files" if "test" in rows else by_hash
        notes = [how_split, *notes, *_repeated(rows)]
        if tested:
            notes.append(f"{tested:,} training {_rows(tested)} with the text of a test document left out")
    title = Path(given.path).stem if files else given.path.rpartition("/")[2]
    words = [len(text.split()) for split in splits.values() for text, _ in split]
    facts = DatasetFacts(
        name="",
        title=title[:60],
        kind="own",
        language=given.language,
        classes=tuple(classes),
        train=len(splits["train"]),
        test=len(splits["test"]),
        wordpieces=round(_WORDPIECES_OF_A_WORD * sum(words) / len(words), 1),
        source="; ".join([Path(given.path).name if files else f"{given.path} at {given.revision}", *notes]),
        citation="",
        licence="your own",
    )
    return _keep(facts, splits, cache)


def own_facts(name: str) -> DatasetFacts | None:
    """The facts of the data set stored under `name`; None if this machine has none."""
    return _own_facts(name, Settings.read().cache) if re.fullmatch(r"own-[0-9a-f]{12}", name) else None


@functools.lru_cache(maxsize=64)
def _own_facts(name: str, cache: Path) -> DatasetFacts | None:
    path = cache / "own" / name / "facts.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return DatasetFacts(**values | {"classes": tuple(values["classes"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StudyError(
            f"{path} cannot be read ({first_line(error)}): delete {path.parent} and run the command again."
        ) from None


def kept_folder(name: str) -> Path:
    """The folder with the splits of a user's own data set: `train.parquet` and `test.parquet`."""
    return Settings.read().cache / "own" / name


def _files(given: TextFiles) -> dict[str, Path]:
    """The files of a data set by split: one for all, or train and test; none for a data set of the hub."""
    path = Path(given.path).expanduser()
    files = {}
    if path.is_dir():
        for part in _PARTS:
            found = sorted(file for file in path.glob(f"{part}.*") if file.suffix.lower() in READERS)
            if len(found) > 1:
                raise StudyError(f"{path} holds {' and '.join(file.name for file in found)}: keep only one of them.")
            if found:
                files[part] = found[0]
        if "train" not in files:
            there = ", ".join(sorted(file.name for file in path.iterdir())[:12]) or "nothing"
            raise StudyError(f"{path} holds no train{', train'.join(READERS)}; it holds {there}.")
    elif path.exists() or not (HUB_ID.fullmatch(given.path) and given.revision):
        if not path.exists():
            hub = "; for a data set of the hub, give `revision` as well" if HUB_ID.fullmatch(given.path) else ""
            raise StudyError(f"{given.path} does not exist{hub}.")
        files["all"] = path
    return files


def _part(given: TextFiles, rows: Iterable[tuple[Any, ...]], where: str) -> _Part:
    part, no_text, no_label = _Part(), 0, 0
    for number, values in enumerate(rows, start=1):
        text = joined_text(values[: len(given.text)], f"{where}, row {number:,}")
        label = _label(values[-1], f"{where}, row {number:,}") if given.label is not None else 0
        no_text, no_label = no_text + (not text), no_label + (label is None)
        if text and label is not None:
            part.texts.append(text)
            part.labels.append(label)
        else:
            part.left_out += 1
    if not part.texts:
        total = part.left_out
        if not total:
            raise StudyError(f"{where} has no rows.")
        name = " and ".join(map(shown, given.text)) if no_text >= no_label else shown(given.label)
        raise StudyError(f"{where}: the column {name} is empty in {max(no_text, no_label):,} of its {total:,} rows.")
    return part


def _label(value: Any, where: str) -> str | int | None:
    if value is None or value != value:  # not a number
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFC", value).split()) or None
    if isinstance(value, int):
        return value
    raise StudyError(f"{where}: the label {shown(value)} is neither text nor a whole number.")


def _read_hub(given: TextFiles) -> dict[str, _Part]:
    import datasets  # slow to import

    give_up_at_once_without_network()
    try:
        found = datasets.load_dataset(given.path, revision=given.revision)
    except Exception as error:  # noqa: BLE001 - whatever the network or the hub's client raises
        raise StudyError(
            f"{given.path} at {given.revision} cannot be loaded from the hub ({first_line(error)})."
        ) from None
    parts = {}
    for part in _PARTS:
        if part in found:
            split = found[part]
            if lost := [name for name in given.columns if name not in split.column_names]:
                raise StudyError(f"{given.path} has no column {shown(lost[0])}; it has {shown(split.column_names)}.")
            parts[part] = _part(given, _named_rows(split, given), f"{given.path}, {part}")
    if "train" not in parts:
        raise StudyError(f"{given.path} has no split `train`; it has {', '.join(found)}.")
    return parts if "test" in parts else {"all": parts["train"]}


def _named_rows(split: "datasets.Dataset", given: TextFiles) -> Iterator[tuple[Any, ...]]:
    """Rows of a split of the hub, with label names where the data set has them; -1 then means no label."""
    names = getattr(split.features.get(given.label), "names", None)
    for *texts, label in zip(*(split[name] for name in given.columns), strict=True):
        if names and label is not None:
            label = names[label] if label >= 0 else None
        yield (*texts, label)


def _classes(given: TextFiles, parts: Mapping[str, _Part]) -> list[str]:
    """Names of the classes, sorted: numerically if all are numbers, else alphabetically."""
    labels = {str(label) for part in parts.values() for label in part.labels}
    numbers = all(re.fullmatch(r"-?\d{1,18}", label) for label in labels)
    if len(labels) > MOST_CLASSES:
        some = ", ".join(shown(label) for label in sorted(labels)[:3])
        raise StudyError(
            f"{given.path}: the column {shown(given.label)} holds {len(labels):,} different labels ({some} ...), more "
            f"than the {MOST_CLASSES} allowed: is it the column of the classes?"
        )
    if len(labels) < 2:
        raise StudyError(
            f"{given.path}: every label in the column {shown(given.label)} is {shown(labels.pop())}, but at least two "
            "classes are needed."
        )
    return sorted(labels, key=int if numbers else str)


_Row = tuple[str, int]


def _split(rows: Mapping[str, list[_Row]], classes: int) -> tuple[dict[str, list[_Row]], int]:
    """Training and test rows, and the number of training rows left out because their text is tested."""
    splits = {part: rows[part] for part in _PARTS} if "test" in rows else _drawn(rows, classes)
    tested = {text_key(text) for text, _ in splits["test"]}
    train = [row for row in splits["train"] if text_key(row[0]) not in tested]
    return splits | {"train": train}, len(splits["train"]) - len(train)


def _drawn(rows: Mapping[str, list[_Row]], classes: int) -> dict[str, list[_Row]]:
    whole = rows.get("all") or rows["train"]
    keys = [text_key(text) for text, _ in whole]
    for_testing = set()
    for label in range(classes):
        own = sorted(keys[row] for row, (_, its) in enumerate(whole) if its == label)
        lowest = own[: max(1, round(len(own) / 5))]
        for_testing |= {(label, key) for key in lowest}
    splits: dict[str, list[_Row]] = {"train": [], "test": []}
    for key, row in zip(keys, whole, strict=True):
        splits["test" if (row[1], key) in for_testing else "train"].append(row)
    return splits


def _check_classes(given: TextFiles, splits: Mapping[str, Sequence[_Row]], classes: Sequence[str], tested: int) -> None:
    trained = Counter(label for _, label in splits["train"])
    counts = Counter(label for split in splits.values() for _, label in split)
    few = [place for place in range(len(classes)) if counts[place] < LEAST_DOCUMENTS or trained[place] < 2]
    if few:
        told = ", ".join(f"{shown(classes[place])} {counts[place]}" for place in few[:8])
        more = f" and {len(few) - 8:,} more" if len(few) > 8 else ""
        if tested:
            more += f"; {tested:,} training {_rows(tested)} with the text of a test document do not count"
        raise StudyError(
            f"{given.path}: a class needs at least {LEAST_DOCUMENTS} documents, among them two different training "
            f"texts, but these have too few: {told}{more}. Leave them out or merge them with others."
        )


def _repeated(rows: Mapping[str, Sequence[_Row]]) -> list[str]:
    """Notes on duplicate texts."""
    labels: dict[int, set[int]] = {}
    total = 0
    for part in rows.values():
        for text, label in part:
            labels.setdefault(text_key(text), set()).add(label)
            total += 1
    conflicting = sum(len(each) > 1 for each in labels.values())
    notes = []
    if repeated := total - len(labels):
        notes.append(f"{repeated:,} {'row repeats' if repeated == 1 else 'rows repeat'} the text of another")
    if conflicting:
        notes.append(f"{conflicting:,} {'text has' if conflicting == 1 else 'texts have'} several different labels")
    return notes


def _rows(number: int) -> str:
    return "row" if number == 1 else "rows"


def _keep(facts: DatasetFacts, splits: Mapping[str, Sequence[_Row]], cache: Path) -> DatasetFacts:
    """Store a data set under its content digest unless it is there; returns its facts with the name."""
    import pyarrow
    from pyarrow import parquet

    total = hashlib.sha256(json.dumps([facts.classes, facts.language]).encode())
    for part in _PARTS:
        for text, label in splits[part]:
            total.update(f"{label}\x1f{text}\x1e".encode("utf-8", "surrogatepass"))
        total.update(b"\x1d")
    name = f"own-{total.hexdigest()[:12]}"
    facts = DatasetFacts(**vars(facts) | {"name": name})
    folder = cache / "own" / name
    with told(folder.parent, "Data sets", "TCSTUDY_CACHE"):
        if not (folder / "facts.json").is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with partial_folder(folder, alone=False) as temporary:
                partial = temporary / "set"
                partial.mkdir()
                for part, split in splits.items():
                    texts = pyarrow.array([text for text, _ in split], pyarrow.string())
                    labels = pyarrow.array([label for _, label in split], pyarrow.int64())
                    parquet.write_table(pyarrow.table({"text": texts, "label": labels}), partial / f"{part}.parquet")
                (partial / "facts.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")
                try:
                    os.replace(partial, folder)
                except OSError:
                    if not (folder / "facts.json").is_file():  # another process was quicker otherwise
                        raise
        if _own_facts(name, cache) != facts:  # the same content from another file, by which it is called from now on
            write_whole(folder / "facts.json", json.dumps(asdict(facts)))
            _own_facts.cache_clear()
    return facts
