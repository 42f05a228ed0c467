"""A table of runs: one row per run, and a column for each field of the specs that differs between them.

Tables, figures, claims and findings select runs by columns and values. The title of a variant is for display only.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import encoder_facts
from tcstudy.errors import StudyError
from tcstudy.experiments.base import RunKey
from tcstudy.spec import AnyRun, EncoderSpec, MultitaskSpec, PretrainingSpec, RunSpec
from tcstudy.study.record import Record
from tcstudy.value import Value

Selection = Mapping[str, Any]
"""Columns and the values that choose rows by them."""

NONE = "no further pre-training"
OWN = "the task's own texts"
KIND = "its own and others of its kind"
OTHERS_OF_KIND = "others of its kind only"
OTHER_KINDS = "other kinds only"
ALL = "all kinds, its own texts among them"
RELATIONS = (OWN, KIND, OTHERS_OF_KIND, OTHER_KINDS, ALL)
"""The possible relations of a further pre-training's corpus to the task."""

PLAIN: Selection = {
    "pretraining.relation": NONE,
    "multitask": False,
    "features.reader": "cls",
    "training.frozen": False,
}
"""Fine-tuning of the whole encoder, without an earlier stage of its own."""

_ROW = ("dataset", "variant", "draw", "seed", "error", "record", "run")


def frame(runs: Mapping[Hashable, Record | AnyRun], base_rate: float | None = None) -> pd.DataFrame:
    """One row per run, and a column for each field of the specs that differs between the runs.

    Args:
        runs: the records of a page, or the runs themselves if there is no record. Pass all runs of a page, since the
            fields that they share are found from them. Runs of your own can have any keys: the key is then the
            variant, without the seed if it ends in it.
        base_rate: as in `every_column`.

    Returns:
        In the order of `runs`. Columns dataset, variant (its title, for display), draw, seed, error (a share; NaN
        without a record or if the run diverged), record (None if there is none) and run (its spec); and those of
        `every_column` that have more than one value.
    """
    found = every_column(runs, base_rate)
    fields = [name for name in found.columns if name not in _ROW]
    return found[
        [*_ROW, *(name for name in fields if len({repr(value) for value in found[name] if _is_there(value)}) > 1)]
    ]


def every_column(runs: Mapping[Hashable, Record | AnyRun], base_rate: float | None = None) -> pd.DataFrame:
    """As `frame`, including the fields that are the same in all runs.

    Fields have their dotted names in a `RunSpec`: `training.learning_rate`, `window.method`. `data.train` and
    `encoder.layers` are numbers even where all are used. There are also:

    - `features.depth`: the depth of the layer that the classifier reads, as a share of all layers, if it reads one.
    - `encoder.published_layers`: the layers of the encoder as published, of which fewer may have been kept.
    - the stages of an encoder, without those that all runs with the same encoder share: `pretraining.corpus` (names of
      data sets, none without a stage), `pretraining.steps` (after which the encoder was taken), `pretraining.relation`
      (of the corpus to the task), the fields of its recipe (`pretraining.masked`), and `multitask` (whether there was
      such a stage) with `multitask.tasks`.
    - `training.times_base`: the learning rate as a multiple of the base rate.

    Args:
        runs: as in `frame`.
        base_rate: the learning rate at which the study fine-tunes; without it, columns that need it are missing.
    """
    if not isinstance(runs, Mapping):
        raise StudyError("Records are given by name, as run_all returns them: frame(run_all({...})).")
    specs = {key: run.spec if isinstance(run, Record) else run for key, run in runs.items()}
    common = _common_stages([spec.encoder for spec in specs.values() if isinstance(spec, RunSpec)])
    rows = []
    for own, run in runs.items():
        spec, record = specs[own], run if isinstance(run, Record) else None
        key = own if isinstance(own, RunKey) else _key(own, spec)
        row = {"dataset": key.dataset, "variant": key.variant, "draw": key.draw, "seed": key.seed}
        row |= {"error": record.error_rate if record else np.nan, "record": record, "run": spec}
        row |= _fields(spec, skipped=("data.name", "data.draw", "seed", "encoder"))
        if row["data.train"] is None:
            row["data.train"] = dataset_facts(key.dataset).train
        if isinstance(spec, RunSpec):
            row |= _encoder(spec.encoder, common[_published(spec.encoder)], key.dataset)
            row["features.depth"] = _depth(spec, row["encoder.layers"])
            if base_rate is not None:
                row["training.times_base"] = float(f"{spec.training.learning_rate / base_rate:.3g}")
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else [*_ROW])


def _key(own: Hashable, spec: AnyRun) -> RunKey:
    """Where a run with a key of one's own stands: its variant is the key, without the seed that ends it."""
    parts = own if isinstance(own, tuple) else (own,)
    named = parts[:-1] if len(parts) > 1 and parts[-1] == spec.seed else parts
    return RunKey(spec.data.name, ", ".join(map(str, named)), spec.seed, spec.data.draw)


def chosen(runs: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """The rows that have all values of a selection; none where a column is missing."""
    if not selection.keys() <= {*runs.columns}:
        return runs.iloc[:0]
    keep = np.ones(len(runs), dtype=bool)
    for name, value in selection.items():
        keep &= np.array([bool(found == value) for found in runs[name]], dtype=bool)
    return runs[keep]


def title_of(records: Mapping[RunKey, Record], selection: Selection) -> str:
    """The title of the variant that a selection chooses, for display; the first of several, empty if there is none."""
    return next(iter(chosen(every_column(records), selection)["variant"]), "")


def levels(runs: pd.DataFrame, name: str) -> list[Any]:
    """The values of a column, smallest first; none where it is missing."""
    return sorted(runs[name].dropna().unique()) if name in runs else []


def by_seed(runs: pd.DataFrame) -> dict[tuple[int, int], Any]:
    """The records of rows by draw and seed; a run that has two titles counts once.

    Raises:
        ValueError: two runs have the same, so the columns they were chosen by do not make one variant.
    """
    found: dict[tuple[int, int], Any] = {}
    specs: dict[tuple[int, int], AnyRun] = {}
    for row in runs.itertuples():
        if specs.setdefault((row.draw, row.seed), row.run) != row.run:
            raise ValueError("several runs have the same draw and seed")
        found[row.draw, row.seed] = row.record
    return found


def of_variants(runs: pd.DataFrame, name: str) -> dict[tuple[str, str], Any]:
    """The value of a column by data set and variant, for tables that have a row for each of these."""
    first = runs.drop_duplicates(["dataset", "variant"])
    return dict(zip(zip(first["dataset"], first["variant"], strict=True), first[name], strict=True))


def relation(corpus: Sequence[str], dataset: str) -> str:
    """The relation of a corpus to a task, one of `RELATIONS`.

    >>> relation(["imdb", "yelp_full"], "imdb"), relation(["yelp_full"], "imdb")
    ('its own and others of its kind', 'others of its kind only')
    """
    if list(corpus) == [dataset]:
        return OWN
    same_kind = {dataset_facts(name).kind for name in corpus} == {dataset_facts(dataset).kind}
    if dataset in corpus:
        return KIND if same_kind else ALL
    return OTHERS_OF_KIND if same_kind else OTHER_KINDS


def further(encoder: EncoderSpec, among: Iterable[EncoderSpec]) -> tuple[PretrainingSpec | MultitaskSpec, ...]:
    """The stages of an encoder without those that all encoders in `among` with the same starting point share."""
    return encoder.stages[len(_common_stages([encoder, *among])[_published(encoder)]) :]


def _is_there(value: Any) -> bool:
    """Whether a run has the field: one without further pre-training has no recipe for it."""
    return not (isinstance(value, float) and np.isnan(value))


def _published(encoder: EncoderSpec) -> EncoderSpec:
    """What an encoder began as, with the layers that were kept."""
    return encoder.model_copy(update={"stages": ()})


def _common_stages(encoders: Iterable[EncoderSpec]) -> dict[EncoderSpec, tuple[Value, ...]]:
    """The first stages that all encoders of the same beginning share, by this beginning."""
    common: dict[EncoderSpec, tuple[Value, ...]] = {}
    for encoder in dict.fromkeys(encoders):
        known = common.setdefault(_published(encoder), encoder.stages)
        same = 0
        while same < min(len(known), len(encoder.stages)) and known[same] == encoder.stages[same]:
            same += 1
        common[_published(encoder)] = known[:same]
    return common


def _fields(value: Value, prefix: str = "", skipped: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a value within values, by dotted names."""
    found: dict[str, Any] = {}
    for name in type(value).model_fields:
        inner, dotted = getattr(value, name), f"{prefix}{name}"
        if dotted in skipped:
            continue
        found |= _fields(inner, f"{dotted}.", skipped) if isinstance(inner, Value) else {dotted: inner}
    return found


def _encoder(encoder: EncoderSpec, common: Sequence[Value], dataset: str) -> dict[str, Any]:
    facts = encoder_facts(encoder.name, encoder.revision)
    published = facts.layers if facts else None
    beyond = encoder.stages[len(common) :]
    pretraining = [stage for stage in beyond if isinstance(stage, PretrainingSpec)]
    multitask = [stage for stage in beyond if isinstance(stage, MultitaskSpec)]
    row = {
        "encoder.name": encoder.name,
        "encoder.revision": encoder.revision,
        "encoder.layers": encoder.layers or published,
        "encoder.published_layers": published,
        "pretraining.corpus": (),
        "pretraining.relation": NONE,
        "pretraining.steps": 0,
        "multitask": bool(multitask),
        "multitask.tasks": tuple(task.name for stage in multitask for task in stage.tasks),
    }
    if pretraining:
        last = pretraining[-1]
        corpus = tuple(text.name for text in last.corpus)
        row |= _fields(last.recipe, "pretraining.", skipped=("pretraining.steps", "pretraining.excluding"))
        row |= {"pretraining.corpus": corpus, "pretraining.relation": relation(corpus, dataset)}
        row["pretraining.steps"] = last.last_step
    return row


def _depth(spec: RunSpec, layers: int | None) -> float:
    """The relative depth of the single layer that a classifier reads; not a number where it reads something else."""
    features = spec.features
    if layers is None or features.pooler or features.reader != "cls" or len(features.layers or (0,)) > 1:
        return np.nan
    return (features.layers[0] + 1) / layers if features.layers else 1.0
