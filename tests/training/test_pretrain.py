import os
import signal
import subprocess
import sys
import time

import datasets
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from tcstudy.errors import StudyError
from tcstudy.spec import EncoderSpec, PretrainingSpec
from tcstudy.training import checkpoint
from tcstudy.training.pretrain import pretrain

RECIPE = {"steps": 30, "batch_size": 8, "length": 24, "learning_rate": 1e-2}


def stage(stop=None, **recipe):
    given = {"corpus": [{"name": "bbc_news"}], "recipe": RECIPE | recipe, "stop": stop}
    return EncoderSpec(name="tiny").after(PretrainingSpec.model_validate(given))


def weights(folder):
    return load_file(folder / "model.safetensors")


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_loss_falls_and_heads_learn_text_they_have_not_seen(tmp_path):
    before = pretrain(stage(stop=1), tmp_path / "before", tmp_path / "x.state").measured
    outcome = pretrain(stage(steps=150), tmp_path / "after", tmp_path / "y.state")
    assert np.mean(outcome.losses[-20:]) < np.mean(outcome.losses[:20]) - 0.5
    assert outcome.measured.mlm_loss < before.mlm_loss - 0.5
    assert outcome.measured.mlm_accuracy > before.mlm_accuracy
    assert outcome.measured.pairs > 10
    assert outcome.text.sets[0].used == 120
    assert 0 < outcome.tokens == outcome.padded_tokens  # real tokens only


def test_what_is_left_is_a_plain_folder_that_the_library_opens(tmp_path):
    pretrain(stage(), tmp_path / "made", tmp_path / "x.state")
    assert not list((tmp_path / "made").glob("*.bin"))
    model, info = AutoModel.from_pretrained(tmp_path / "made", output_loading_info=True)
    assert not info["missing_keys"]
    made = weights(tmp_path / "made")
    for name, weight in model.named_parameters():
        assert torch.equal(weight, made[f"bert.{name}"])
    assert AutoTokenizer.from_pretrained(tmp_path / "made")("film goal").input_ids[0] == 2


@pytest.mark.parametrize("stops", [(10,), (7, 20)])
def test_checkpoints_of_one_pre_training_are_those_of_a_training_without_stops(tmp_path, stops):
    whole = pretrain(stage(), tmp_path / "whole", tmp_path / "whole.state")
    for stop in stops:
        part = pretrain(stage(stop=stop), tmp_path / f"step-{stop}", tmp_path / "one.state")
        assert part.losses == whole.losses[:stop]
    last = pretrain(stage(), tmp_path / "last", tmp_path / "one.state")
    assert last.losses == whole.losses
    assert equal(weights(tmp_path / "last"), weights(tmp_path / "whole"))
    assert last.measured == whole.measured


def test_an_earlier_stop_after_a_later_one_begins_anew(tmp_path):
    pretrain(stage(stop=5), tmp_path / "a", tmp_path / "x.state")
    pretrain(stage(stop=9), tmp_path / "b", tmp_path / "x.state")
    pretrain(stage(stop=5), tmp_path / "c", tmp_path / "x.state")
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "c"))


PROGRAM = """
import sys
from pathlib import Path
from tcstudy.spec import EncoderSpec
from tcstudy.training import checkpoint
from tcstudy.training.pretrain import pretrain

checkpoint.SECONDS = 0.02
pretrain(EncoderSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""


def test_killed_and_started_again_it_ends_in_the_same_weights(tmp_path, monkeypatch):
    spec = stage(steps=120)
    pretrain(spec, tmp_path / "whole", tmp_path / "whole.state")
    state = tmp_path / "killed.state"
    command = [sys.executable, "-c", PROGRAM, spec.model_dump_json(), str(tmp_path / "killed"), str(state)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists()
    assert not (tmp_path / "killed").exists()
    outcome = pretrain(spec, tmp_path / "killed", state)
    assert len(outcome.losses) == 120
    assert equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))


def test_saving_often_changes_nothing(tmp_path, monkeypatch):
    pretrain(stage(), tmp_path / "seldom", tmp_path / "x.state")
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    pretrain(stage(), tmp_path / "often", tmp_path / "x.state")
    assert equal(weights(tmp_path / "often"), weights(tmp_path / "seldom"))


def test_heads_for_a_frozen_encoder_leave_it_as_it_was(tmp_path, encoders):
    outcome = pretrain(stage(frozen=True, steps=60), tmp_path / "made", tmp_path / "x.state")
    made, before = weights(tmp_path / "made"), weights(encoders / "tiny")
    assert all(torch.equal(made[f"bert.{name}"], weight) for name, weight in before.items())
    assert np.mean(outcome.losses[-10:]) < np.mean(outcome.losses[:10])


def test_with_mlm_off_only_nsp_is_trained_and_the_reverse(tmp_path):
    nsp = pretrain(stage(mlm=False), tmp_path / "nsp", tmp_path / "x.state")
    assert nsp.measured.mlm_loss is None
    assert nsp.losses[0] == pytest.approx(np.log(2), abs=0.3)
    mlm = pretrain(stage(nsp=False), tmp_path / "mlm", tmp_path / "x.state")
    assert mlm.measured.nsp_loss is None
    assert mlm.losses[0] > 2
    first = pretrain(stage(stop=1), tmp_path / "both", tmp_path / "y.state")
    assert first.losses[0] > mlm.losses[0]


def test_an_encoder_without_upper_layers_keeps_to_its_depth(tmp_path):
    spec = EncoderSpec(name="tiny", layers=1).after(stage().stages[0])
    pretrain(spec, tmp_path / "made", tmp_path / "x.state")
    assert AutoModel.from_pretrained(tmp_path / "made").config.num_hidden_layers == 1


def test_a_rate_that_diverges_is_told(tmp_path):
    with pytest.raises(StudyError, match="diverged at step"):
        pretrain(stage(learning_rate=1e30), tmp_path / "made", tmp_path / "x.state")


def test_chinese_text_is_paired_by_its_marks(tmp_path, monkeypatch):
    documents = [f"他来了{i}。你好吗？好！再见。" for i in range(60)]
    for part, texts in [("train", documents), ("test", [f"测试{i}。" for i in range(12)])]:
        (tmp_path / "data" / "sogou").mkdir(parents=True, exist_ok=True)
        split = datasets.Dataset.from_dict({"text": texts, "label": [i % 6 for i in range(len(texts))]})
        split.to_parquet(tmp_path / "data" / "sogou" / f"{part}.parquet")
    monkeypatch.setenv("TCSTUDY_DATA", str(tmp_path / "data"))
    spec = EncoderSpec(name="tiny").after(
        PretrainingSpec.model_validate({"corpus": [{"name": "sogou"}], "recipe": RECIPE})
    )
    outcome = pretrain(spec, tmp_path / "made", tmp_path / "x.state")
    assert outcome.measured.pairs > 3
    assert outcome.text.held_out == 6
