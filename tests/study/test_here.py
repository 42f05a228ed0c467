from tcstudy.catalog.encoders import ENCODERS
from tcstudy.spec import BagOfWordsSpec, DataSpec, RunSpec
from tcstudy.study import inputs

GIB = 2**30


def test_what_runs_need_is_told_in_a_few_sentences(spec, monkeypatch):
    monkeypatch.setattr(inputs, "gpu_here", lambda: None)
    monkeypatch.setattr(inputs, "memory", lambda: 8 * GIB)
    other = spec.variant({"data": {"name": "sogou"}, "encoder": {"name": "minilm-l6-uncased"}})
    texts, absent, encoders, device = inputs.needs([spec, other, BagOfWordsSpec(data=DataSpec(name="rotten_tomatoes"))])
    folder = "in the folder of TCSTUDY_DATA"
    without = "not available here (their runs are counted, but skipped here)"
    assert texts == f"Texts {folder}: bbc_news, rotten_tomatoes; {without}: sogou."
    assert absent.startswith("sogou is read from a local folder only: put sogou/train.parquet")
    assert encoders == "Encoders in a local folder: tiny; in the package index: minilm-l6-uncased."
    assert device == f"Device: no GPU, {inputs.cores()} cores; training takes up to about 2.6 GiB of 8.0 GiB of memory."
    assert inputs.needs([]) == []
    monkeypatch.delenv("TCSTUDY_DATA")
    assert inputs.needs([spec])[0] == "Texts in the package index: bbc_news."


def test_texts_and_encoders_of_the_hub_are_told_as_such_until_they_are_fetched(spec, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setenv("TCSTUDY_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    run = spec.variant({"data": {"name": "ag_news"}, "encoder": {"name": "bert-base-uncased"}})
    assert inputs.needs([run])[:2] == ["Texts on the hub: ag_news.", "Encoders on the hub: bert-base-uncased."]
    (tmp_path / "arrow" / "fancyzhx___ag_news").mkdir(parents=True)
    commit = (
        tmp_path / "hub" / "models--google-bert--bert-base-uncased" / "snapshots" / ENCODERS[run.encoder.name].commit
    )
    commit.mkdir(parents=True)
    (commit / "model.safetensors").touch()
    assert inputs.needs([run])[:2] == [
        "Texts already fetched: ag_news.",
        "Encoders already fetched: bert-base-uncased.",
    ]


def test_memory_that_is_not_enough_is_told_with_what_helps(spec, monkeypatch):
    run = RunSpec.model_validate({**spec.model_dump(), "encoder": {"name": "bert-large-uncased"}})
    monkeypatch.setattr(inputs, "gpu_here", lambda: None)
    monkeypatch.setattr(inputs, "memory", lambda: 8 * GIB)
    assert "set TCSTUDY_MICRO_BATCH_TOKENS to less than 2,048" in inputs.needs([run])[-1]
    monkeypatch.setattr(inputs, "gpu_here", lambda: "NVIDIA L4")
    assert inputs.needs([run])[-1].startswith("Device: NVIDIA L4, on which training takes up to about")


def test_training_takes_memory_by_weights_and_tokens():
    facts = ENCODERS["bert-base-uncased"]
    weights = (30_522 + 512) * 768 + 12 * 12 * 768**2
    assert inputs.training_bytes(facts, 1000) == 20 * weights + 160 * 1000 * 12 * 768
    assert inputs.memory() > 0
