"""Encoder folders full of nonsense: told in a sentence before anything is trained, or trained on as they are."""

import json
import math
import os
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from tcstudy.errors import StudyError
from tcstudy.models.encoder import load_encoder
from tcstudy.spec import EncoderSpec

PAGE = {
    "encoder": {"name": "odd"},
    "data": [{"name": "rotten_tomatoes", "train": 4, "validation": 2, "test": 4}],
    "window": {"length": 12},
    "methods": ["head-only"],
    "training": {"batch_size": 4, "epochs": 1},
}


@pytest.fixture
def folder(tmp_path, encoders, monkeypatch):
    """The folder of an encoder, fine so far, and a parameter file that asks for it."""
    monkeypatch.setenv("TCSTUDY_ENCODERS", str(tmp_path / "encoders"))
    shutil.copytree(encoders / "tiny", tmp_path / "encoders" / "odd")
    (tmp_path / "long_texts.yaml").write_text(yaml.safe_dump(PAGE))
    return tmp_path / "encoders" / "odd"


@pytest.fixture
def train(folder, begins):
    """Has the command line train with the folder; whether it came to that, and what it said if not."""
    return lambda: begins(folder.parents[1] / "long_texts.yaml")


def edit(path: Path, **changes: object) -> None:
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not ...}))


def weights(folder: Path, **changes: torch.Tensor | None) -> None:
    """Write the weights anew, some of them changed; None leaves one out."""
    path = folder / "model.safetensors"
    values = safetensors.torch.load_file(path) | changes
    safetensors.torch.save_file({k: v for k, v in values.items() if v is not None}, path, {"format": "pt"})


EMBEDDINGS = "embeddings.word_embeddings.weight"


def test_the_folder_is_fine_so_far(train):
    assert train()[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "'odd' is not an encoder of the catalogue or of TCSTUDY_ENCODERS"),
        (b"", "is not the configuration of a BERT-like encoder"),
        (b"\xff\xfe", "is not the configuration of a BERT-like encoder"),
        (b"[]", "is not the configuration of a BERT-like encoder"),
        (b"[" * 100_000, "is not the configuration of a BERT-like encoder"),
        (b"{}", "model_type, num_hidden_layers, hidden_size"),
    ],
)
def test_a_configuration_that_is_none_is_told(folder, train, content, sentence):
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_bytes(content)
    begun, err = train()
    assert not begun
    assert sentence in err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vocab_size": 10}, "numbers its tokens up to"),
        ({"vocab_size": 10**6}, "The encoder"),
        ({"vocab_size": 0}, "vocabulary: 0"),
        ({"hidden_size": 32}, "The encoder"),
        ({"hidden_size": 15}, "The encoder"),
        ({"num_hidden_layers": 3}, "lacks weights, the first of 16 is encoder.layer.2"),
        ({"num_hidden_layers": 10**9}, "layers: 1000000000"),
        ({"num_labels": 10**9}, "num_labels: 1000000000"),
        ({"intermediate_size": 10**9}, "The encoder"),
        ({"num_hidden_layers": "two"}, "layers: 'two'"),
        ({"num_attention_heads": 3}, "The encoder"),
        ({"num_attention_heads": 0}, "The encoder"),
        ({"hidden_act": "no such function"}, "The encoder"),
        ({"max_position_embeddings": 8}, "12 wordpieces are more than odd takes (8)"),
        ({"max_position_embeddings": 4096}, "The encoder"),
        ({"model_type": "no such family"}, "The"),
        ({"model_type": "gpt2"}, "The"),
        ({"model_type": 7}, "is not the configuration of a BERT-like encoder"),
        ({"model_type": "roberta", "pad_token_id": 60}, "window.length: 12 wordpieces are more than odd takes (3)"),
    ],
)
def test_a_configuration_that_does_not_belong_to_the_weights_is_told(folder, train, changes, sentence):
    edit(folder / "config.json", **changes)
    begun, err = train()
    assert not begun
    assert sentence in err


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 1000), "cannot be loaded"),
        (lambda folder: cut(folder / "model.safetensors"), "cannot be loaded"),
        (lambda folder: weights(folder, **{EMBEDDINGS: None}), f"lacks weights, the first of 1 is {EMBEDDINGS}"),
        (lambda folder: weights(folder, **{EMBEDDINGS: torch.zeros(3, 5)}), "The encoder"),
        (lambda folder: weights(folder, **{"embeddings.LayerNorm.weight": torch.full((16,), math.nan)}), "no finite"),
        (lambda folder: weights(folder, **{"embeddings.LayerNorm.bias": torch.full((16,), math.inf)}), "no finite"),
        (lambda folder: remove_tokenizer(folder), "The tokenizer of"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        (lambda folder: (folder / "tokenizer.json").write_bytes(b"\xff\x00"), "cannot be loaded"),
        (lambda folder: (folder / "tokenizer.json").write_text("[" * 10_000), "cannot be loaded"),
        (lambda folder: edit(folder / "tokenizer.json", model={"type": "BPE", "vocab": {}, "merges": []}), "tokenizer"),
        (lambda folder: edit(folder / "tokenizer.json", model=None), "cannot be loaded"),
        (lambda folder: larger(folder / "tokenizer.json"), "numbers its tokens up to 999,999"),
    ],
)
def test_weights_and_tokenizers_that_are_damaged_are_told(folder, train, damage, sentence):
    damage(folder)
    begun, err = train()
    assert not begun
    assert sentence in err


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def test_weights_beside_those_of_the_encoder_do_no_harm(folder, train):
    weights(folder, **{"cls.predictions.bias": torch.zeros(3), "../../outside": torch.zeros(2)})
    assert train()[0]


def remove_tokenizer(folder: Path) -> None:
    for path in folder.glob("*token*"):
        path.unlink()


def larger(path: Path) -> None:
    values = json.loads(path.read_text())
    values["model"]["vocab"]["one word more"] = 999_999
    path.write_text(json.dumps(values))


ANY = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
odd = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 70),
        st.sampled_from([2**31, 2**63, 10**30, -(2**31), 1e308, 0.0, 1e-9, "", "bert", "../x", "\x00", "gelu", "relu"]),
        st.floats(),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@ANY
@given(data=st.data())
def test_any_value_in_a_configuration(folder, train, encoders, data):
    whole = json.loads((encoders / "tiny" / "config.json").read_text())
    key = data.draw(st.sampled_from(sorted(whole)))
    value = data.draw(st.one_of(st.just(...), odd))
    shutil.copy(encoders / "tiny" / "config.json", folder)
    edit(folder / "config.json", **{key: value})
    train()


@ANY
@given(
    name=st.sampled_from(["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    how=st.sampled_from(["flip", "cut", "twice"]),
)
def test_any_file_with_a_letter_altered(folder, train, encoders, name, place, bit, how):
    for path in (encoders / "tiny").iterdir():
        shutil.copy(path, folder)
    content = (folder / name).read_bytes()
    at = int(place * len(content))
    damaged = {
        "flip": content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :],
        "cut": content[:at],
        "twice": content[:at] + content,
    }
    (folder / name).write_bytes(damaged[how])
    begun, _ = train()
    assert not (begun and how == "cut" and name == "model.safetensors")


def test_folders_in_place_of_files_are_told(folder, train):
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).rename(folder / f"{name}.away")
        (folder / name).mkdir()
        assert not train()[0]
        (folder / name).rmdir()
        (folder / f"{name}.away").rename(folder / name)


def test_a_tokenizer_without_a_token_for_unknown_words_is_told(folder, train):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = {token: number for token, number in tokenizer["model"]["vocab"].items() if token != "[UNK]"}
    added = [token for token in tokenizer["added_tokens"] if token["content"] != "[UNK]"]
    changed = tokenizer | {"model": tokenizer["model"] | {"vocab": vocabulary}, "added_tokens": added}
    (folder / "tokenizer.json").write_text(json.dumps(changed))
    edit(folder / "tokenizer_config.json", unk_token=...)
    begun, told = train()
    assert not begun
    assert "tokenizer of odd cannot read every text" in told or "cannot be loaded" in told


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_attention_of_the_hubs_code_is_refused(folder, train, key):
    edit(folder / "config.json", **{key: "owner/kernel"})
    begun, told = train()
    assert not begun
    assert f"{key}: 'owner/kernel'" in told


@pytest.mark.parametrize("file", ["../tiny/model.safetensors", "/tmp/x.safetensors", 3])
def test_weights_outside_the_folder_are_refused(folder, train, file):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": file}}))
    begun, told = train()
    assert not begun
    assert "is not the configuration of a BERT-like encoder" in told


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return (os.mkdir, (self.folder,))


@pytest.mark.parametrize("harmless", [True, False])
def test_weights_of_the_hub_in_pytorchs_own_format_are_read_and_run_nothing(tmp_path, monkeypatch, harmless):
    config = BertConfig(vocab_size=80, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    model = BertModel(config)
    config.save_pretrained(tmp_path)
    torch.save(
        model.state_dict() | ({} if harmless else {"more": Trap(str(tmp_path / "sprung"))}),
        tmp_path / "pytorch_model.bin",
    )
    monkeypatch.setattr("tcstudy.models.encoder.pretrained_source", lambda spec: (str(tmp_path), None))
    spec = EncoderSpec(name="electra-base")
    if harmless:
        loaded = load_encoder(spec, dropout=0.0).body
        torch.testing.assert_close(loaded.embeddings.word_embeddings.weight, model.embeddings.word_embeddings.weight)
    else:
        with pytest.raises(StudyError, match="cannot be loaded"):
            load_encoder(spec, dropout=0.0)
    assert not (tmp_path / "sprung").exists()
