from pathlib import Path

import numpy as np
import pytest

from tcstudy.errors import StudyError
from tcstudy.publish.parameters import read_parameters
from tcstudy.report.frame import ALL, KIND, NONE, OWN, by_seed, chosen, every_column, frame, further, levels
from tcstudy.spec import EncoderSpec, RunSpec

MINI = Path(__file__).parents[2] / "params" / "mini"
GENERAL = {"corpus": [{"name": "dbpedia"}], "recipe": {"steps": 5}}


def runs_of(page):
    return read_parameters(MINI / f"{page}.yaml").experiment.runs()


def columns(page):
    return [*frame(runs_of(page)).columns[7:]]


def test_columns_are_the_fields_that_differ():
    assert columns("long_texts") == ["window.method"]
    assert columns("layer_decay") == ["training.learning_rate", "training.layer_decay"]
    assert columns("layers") == ["features.layers", "features.join", "features.pooler", "features.depth"]
    pretrained = ["pretraining.corpus", "pretraining.relation", "pretraining.steps", "pretraining.seed"]
    assert columns("within_task") == pretrained  # each run has a pre-training of its own
    assert {"protocol.optimizer", "pretraining.protocol.masking"} < {*columns("released_protocol")}


def test_there_is_a_row_for_each_run_and_records_tell_errors(made_up):
    runs = runs_of("long_texts")
    first = next(iter(runs))
    found = frame({**runs, first: made_up(runs[first], wrong=3)})
    assert len(found) == len(runs)
    row = found.iloc[0]
    place = (first.dataset, first.variant, first.draw, first.seed)
    assert (row["dataset"], row["variant"], row["draw"], row["seed"]) == place
    assert (row["error"], row["record"].id, row["run"]) == (0.3, runs[first].id, runs[first])
    assert np.isnan(found.iloc[1]["error"])
    assert found.iloc[1]["record"] is None


def test_runs_of_ones_own_have_any_keys_and_a_variant_without_the_seed(made_up):
    spec = next(iter(runs_of("long_texts").values()))
    other = spec.variant({"seed": spec.seed + 1, "training.learning_rate": 1e-3})
    found = frame({("mean of all", spec.seed): made_up(spec, wrong=2), "other": other})
    assert found[["dataset", "variant", "seed"]].values.tolist() == [
        [spec.data.name, "mean of all", spec.seed],
        [spec.data.name, "other", spec.seed + 1],
    ]
    assert found["training.learning_rate"].tolist() == [spec.training.learning_rate, 1e-3]
    with pytest.raises(StudyError, match="Records are given by name"):
        frame([spec])


def test_layers_are_told_by_their_depth():
    found = every_column(runs_of("layers"))
    assert levels(found, "features.depth") == pytest.approx([(k + 1) / 6 for k in range(6)])
    assert chosen(found, {"features.depth": 1.0})["run"].map(lambda run: run.features.layers).unique() == [None]
    assert np.isnan(chosen(found, {"features.pooler": True})["features.depth"]).all()


def test_corpora_are_told_by_what_they_are_to_the_task():
    found = every_column(runs_of("comparison"))
    on_imdb = found[found["dataset"] == "imdb"]
    assert {*on_imdb["pretraining.relation"].dropna()} == {NONE, OWN, KIND, ALL}
    assert {*found[found["dataset"] == "ag_news"]["pretraining.relation"].dropna()} == {NONE, OWN, ALL}
    corpora = chosen(on_imdb, {"pretraining.relation": KIND})["pretraining.corpus"]
    assert {*corpora} == {("imdb", "rotten_tomatoes")}


def with_stage(run, stage):
    encoder = EncoderSpec.model_validate(
        run.encoder.model_dump() | {"stages": [stage, *(one.model_dump() for one in run.encoder.stages)]}
    )
    return run.model_copy(update={"encoder": encoder})


@pytest.mark.parametrize("page", ["comparison", "within_task", "multitask", "larger_encoder", "few_shot"])
def test_a_stage_that_all_runs_share_changes_nothing(page):
    runs = runs_of(page)
    later = {key: with_stage(run, GENERAL) if isinstance(run, RunSpec) else run for key, run in runs.items()}
    left_out = ["run", "record"]
    assert frame(later).drop(columns=left_out).equals(frame(runs).drop(columns=left_out))


def test_stages_beyond_the_common_ones():
    base = EncoderSpec.model_validate({"name": "tiny", "stages": [GENERAL]})
    own = EncoderSpec.model_validate({"name": "tiny", "stages": [GENERAL, {"corpus": [{"name": "imdb"}]}]})
    assert further(own, [base]) == own.stages[1:]
    assert further(base, [own]) == ()
    assert further(own, [EncoderSpec(name="tiny")]) == own.stages


def test_rates_are_multiples_of_the_base_rate():
    found = frame(runs_of("forgetting"), base_rate=2e-4)
    assert levels(found, "training.times_base") == [0.1, 0.25, 0.5, 2, 20]


def test_rows_of_two_variants_are_no_cell():
    found = every_column(runs_of("long_texts"))
    assert len(by_seed(chosen(found, {"window.method": "head+tail"}))) == 5
    assert chosen(found, {"no such column": 1}).empty
    with pytest.raises(ValueError, match="same draw and seed"):
        by_seed(found)
