import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tcstudy.catalog.datasets import DATASETS
from tcstudy.catalog.encoders import ENCODERS
from tcstudy.catalog.gpus import gpu_facts
from tcstudy.cli import app
from tcstudy.encoding.documents import fractions
from tcstudy.errors import StudyError
from tcstudy.experiments.long_texts import METHODS
from tcstudy.publish.parameters import read_parameters
from tcstudy.spec import (
    BagOfWordsSpec,
    DataSpec,
    EncoderSpec,
    MultitaskSpec,
    PretrainingRecipe,
    PretrainingSpec,
    RunSpec,
    TextSpec,
    WindowSpec,
)
from tcstudy.study import speed as speed_module
from tcstudy.study.encoders import EncoderRecord
from tcstudy.study.plan import PagePlan, PlannedWork, known_facts, plan_pages, sort_runs, total
from tcstudy.study.record import Cost, Record
from tcstudy.study.run import run
from tcstudy.study.speed import AT_ONCE, GpuSpeed, RecordedSpeed, choose_speeds, hours, recorded_speed
from tcstudy.study.work import (
    Body,
    Work,
    measuring_work,
    multitask_work,
    pretraining_work,
    run_work,
    tokens_per_document,
)

ROOT = Path(__file__).parents[2]
BASE = ENCODERS["bert-base-uncased"]
RUN = RunSpec.model_validate(
    {
        "data": {"name": "imdb", "train": 1000, "validation": 200, "test": 300},
        "encoder": {"name": "bert-base-uncased"},
        "window": {"method": "head+tail", "length": 128},
        "training": {"batch_size": 24, "epochs": 2},
    }
)
PUBLISHED = EncoderSpec(name="bert-base-uncased")


def pretrained(stop: int | None = None, steps: int = 1000, of: EncoderSpec = PUBLISHED) -> EncoderSpec:
    recipe = PretrainingRecipe(steps=steps, batch_size=10, length=64, masked=0.15)
    return of.after(PretrainingSpec(corpus=(TextSpec(name="trec"),), recipe=recipe, stop=stop))


def from_encoder(encoder: EncoderSpec, seed: int = 0) -> RunSpec:
    return RUN.model_copy(update={"encoder": encoder, "seed": seed})


def planned(*pages: list, recorded: tuple = (), made: tuple = ()) -> list[PagePlan]:
    ids = {spec.id for spec in recorded}
    runs = sort_runs({f"page{i}": page for i, page in enumerate(pages)}, lambda spec: spec.id in ids)
    return plan_pages(runs, lambda encoder: encoder in made)


def trained(plan: PagePlan) -> Work:
    """The work of a plan without the tokenising."""
    return sum((part.work for part in plan.parts if part.kind != "tokenising"), Work())


def test_one_run_by_hand():
    # IMDb's texts have 292 wordpieces on average, a window of 128 sees 126 of them and two special tokens.
    # 1000 documents in batches of 24 are 42 updates an epoch; 200 documents are predicted twice and 300 once.
    work = run_work(RUN, BASE)
    assert work.updates == 84
    assert work.training_tokens == 2 * 1000 * 128 == 256_000
    assert work.forward_tokens == (2 * 200 + 300) * 128 == 89_600
    per_trained_token = 6 * 12 * 12 * 768**2 + 12 * 12 * 128 * 768
    assert per_trained_token == 523_763_712
    assert work.training_operations == 256_000 * per_trained_token
    assert work.forward_operations == 89_600 * per_trained_token // 3


def test_a_layer_costs_what_torch_counts():
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=128
    )
    model = BertModel(config, add_pooling_layer=False)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model(torch.ones(5, 24, dtype=torch.long))
    with FlopCounterMode(display=False) as both_ways:
        model(torch.ones(5, 24, dtype=torch.long)).last_hidden_state.sum().backward()
    body = Body(layers=3, width=32, length=24)
    assert body.predict(5 * 24).forward_operations == forward.get_total_flops()
    assert body.train(1, 5 * 24).training_operations == both_ways.get_total_flops()


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=30),
    st.sampled_from(METHODS),
    st.integers(8, 64),
)
def test_no_mean_length_hides_a_token(lengths, method, window_length):
    window = WindowSpec(method=method, length=window_length)
    seen = [sum(map(len, fractions(range(length), window, 0, 0))) for length in lengths]
    assert np.mean(seen) <= tokens_per_document(window, float(np.mean(lengths))) + 1e-9


def test_hierarchical_windows_read_all_of_a_text_and_frame_each_fraction():
    window = WindowSpec(method="hierarchical mean", length=128)
    assert tokens_per_document(window, 252) == 252 + 2 * (2 + 1)


def test_layers_above_the_highest_one_read_cost_nothing():
    third = run_work(RUN.variant({"features.layers": (0, 3)}), BASE)
    assert third.training_operations * 3 == run_work(RUN, BASE).training_operations
    cut = run_work(RUN.variant({"encoder.layers": 6}), BASE)
    assert cut.training_operations * 2 == run_work(RUN, BASE).training_operations


def test_selection_on_test_and_points_between_epochs_are_predictions():
    assert run_work(RUN.variant({"protocol": "released"}), BASE).forward_tokens == (2 * 300 + 300) * 128
    # after updates 20, 40, 60, 80, and at the ends of epochs 42 and 84
    assert run_work(RUN.variant({"measures.every": 20}), BASE).forward_tokens == (6 * 200 + 300) * 128


def test_a_frozen_encoder_goes_forward_only_and_its_reader_is_trained():
    from tcstudy.models.readers import BiLSTMReader

    frozen = RUN.variant({"training.frozen": True, "features.reader": "bilstm", "features.layers": (10, 11)})
    work, plain = run_work(frozen, BASE), run_work(RUN, BASE)
    weights = sum(weight.numel() for weight in BiLSTMReader(2 * 768).lstm.parameters() if weight.ndim == 2)
    assert (work.training_tokens, work.forward_tokens) == (0, 256_000 + 89_600)
    assert work.training_operations == 6 * 256_000 * weights
    assert work.forward_operations == plain.training_operations // 3 + plain.forward_operations + 2 * 89_600 * weights


def test_all_documents_of_a_set_less_those_for_validation():
    work = run_work(RUN.variant({"data": {"name": "trec"}}), BASE)
    assert work.updates == 2 * -(-(5452 - 545) // 24)
    assert work.training_tokens == 2 * (5452 - 545) * 13
    assert work.forward_tokens == (2 * 545 + 500) * 13


def test_documents_that_are_tested_on_besides_are_not_trained_on():
    work = run_work(RUN.variant({"data": {"name": "trec", "validation": 500, "test_from_train": 4000}}), BASE)
    assert work.training_tokens == 2 * (5452 - 500 - 4000) * 13
    assert work.forward_tokens == (2 * 500 + 500 + 4000) * 13


def test_heads_are_measured_on_each_text_before_and_after_and_on_all_together():
    stage = pretrained().stages[0]
    [trec, general] = [TextSpec(name="trec", documents=1000), TextSpec(name="general", documents=100)]
    encoder = PUBLISHED.after(stage.model_copy(update={"corpus": (trec,), "measured_on": (general,)}))
    # 100 questions of 11 wordpieces and 10 texts of 366.3, in pairs of 61 and three special tokens; twice for NSP,
    # and no more than 500 pairs
    questions, texts = (math.ceil(2 * documents * 64 / 61) for documents in (100 * 11, 10 * 366.3))
    assert measuring_work(encoder, BASE).forward_tokens == 3 * questions + 2 * texts
    assert measuring_work(pretrained(), BASE).forward_tokens == 3 * math.ceil(2 * 500 * 11 * 64 / 61)


def test_a_pretraining_by_hand():
    work = pretraining_work(pretrained(stop=400), BASE)
    assert (work.updates, work.training_tokens, work.forward_tokens) == (
        400,
        400 * 10 * 25,
        0,
    )  # two questions of 11 and special tokens
    layers = 6 * 12 * 12 * 768**2 + 12 * 12 * 64 * 768
    assert work.training_operations == 400 * (250 * layers + 6 * 38 * 30_522 * 768)  # 15% of 250 tokens are predicted
    assert pretraining_work(pretrained(), BASE, done=400) + work == pretraining_work(pretrained(), BASE)


def test_a_multi_task_training_by_hand():
    tasks = (DataSpec(name="trec", train=1000), DataSpec(name="imdb", train=3000))
    window, training = WindowSpec(length=128), {"batch_size": 10, "epochs": 3}
    stage = MultitaskSpec.model_validate({"tasks": tasks, "window": window, "training": training})
    assert multitask_work(PUBLISHED.after(stage), BASE).training_tokens == 3 * (1000 * 13 + 3000 * 128)
    uniform = stage.model_copy(update={"sampling": "uniform"})
    work = multitask_work(PUBLISHED.after(uniform), BASE)
    assert work.updates == 3 * 400
    assert work.training_tokens == 3 * (2000 * 13 + 2000 * 128)


def test_a_run_takes_the_updates_that_were_planned(spec):
    record = run(spec)
    work = run_work(spec, known_facts(spec.encoder.name))
    assert record.cost.steps == work.updates
    assert record.cost.tokens <= work.training_tokens  # the catalogue's BBC News has longer texts than the tests'


def test_equal_runs_are_counted_once_and_recorded_ones_cost_nothing():
    first, second, third = (from_encoder(PUBLISHED, seed) for seed in range(3))
    one, other = planned([first, second, first], [second, third], recorded=(third,))
    assert (one.runs.runs, one.runs.recorded, one.runs.shared) == (2, 0, 0)
    assert (other.runs.runs, other.runs.recorded, other.runs.shared) == (2, 1, 1)
    assert (trained(one), other.work) == (run_work(first, BASE) + run_work(second, BASE), Work())


def test_stops_of_one_pretraining_are_one_training():
    early, late = planned([from_encoder(pretrained(stop=300))], [from_encoder(pretrained())])
    assert (early.pretrainings, late.pretrainings) == (1, 0)
    assert early.work.training_tokens + late.work.training_tokens == 2 * 256_000 + 1000 * 250
    assert late.work.updates == 84 + 700


def test_an_encoder_made_in_two_stages_needs_the_first_one_too():
    stage = MultitaskSpec(tasks=(DataSpec(name="trec"),))
    [page] = planned([from_encoder(pretrained(stop=300).after(stage))])
    assert (page.pretrainings, page.multitask) == (1, 1)
    assert page.work.updates == 300 + 4 * -(-(5452 - 545) // 24) + 84


def test_encoders_are_made_only_for_runs_that_are_not_recorded():
    runs = [from_encoder(pretrained(), seed) for seed in (0, 1)]
    assert planned(runs, recorded=(runs[0],))[0].pretrainings == 1
    [page] = planned(runs, recorded=tuple(runs))
    assert (page.pretrainings, page.multitask, page.work) == (0, 0, Work())


def test_the_order_of_files_changes_no_total():
    shared = from_encoder(pretrained(stop=500))
    pages = [
        [shared, from_encoder(pretrained(stop=300))],
        [shared, from_encoder(pretrained()), BagOfWordsSpec(data=RUN.data)],
        [from_encoder(pretrained(steps=10, of=pretrained(stop=300))), shared],
    ]
    totals = [total(planned(*order, recorded=(pages[0][1],))) for order in itertools.permutations(pages)]
    assert {(page.runs.runs, page.runs.recorded, page.runs.shared, page.pretrainings) for page in totals} == {
        (7, 1, 2, 2)
    }
    assert len({page.work for page in totals}) == 1


def test_a_bag_of_words_is_a_run_that_costs_nothing():
    [page] = planned([BagOfWordsSpec(data=RUN.data)])
    assert (page.runs.runs, page.work) == (1, Work())


def test_an_encoder_of_the_hub_has_a_size_once_it_is_fetched(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    encoder = EncoderSpec(name="owner/bert", revision="0" * 40)
    with pytest.raises(StudyError, match=r"The cost of owner/bert cannot be estimated before it is fetched"):
        planned([from_encoder(encoder)])
    folder = tmp_path / "models--owner--bert" / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    config = {"model_type": "bert", "num_hidden_layers": 3, "hidden_size": 8, "max_position_embeddings": 128}
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 50}))
    facts = known_facts(encoder.name, encoder.revision)
    assert (facts.layers, facts.width, facts.vocabulary, facts.local) == (3, 8, 50, None)


def test_encoders_that_are_there_are_not_made_again_nor_what_they_were_made_of():
    general = pretrained()
    task = general.after(pretrained(steps=50).stages[0])
    [page] = planned([from_encoder(task)], made=(general,))
    assert (page.pretrainings, trained(page).updates) == (1, 50 + 84)
    [page] = planned([from_encoder(task)], made=(task,))
    assert (page.pretrainings, trained(page).updates) == (0, 84)


def test_a_general_stage_that_all_pages_begin_with_is_counted_once():
    general = pretrained(steps=3000)
    tasks = [general.after(pretrained(steps=steps).stages[0]) for steps in (50, 70)]
    first, second = planned([from_encoder(tasks[0])], [from_encoder(general), from_encoder(tasks[1])])
    assert (first.pretrainings, second.pretrainings) == (2, 1)
    assert trained(first).updates + trained(second).updates == 3000 + 50 + 70 + 3 * 84


def test_texts_are_tokenised_once_for_all_pages():
    general = {"measures.general_text": {"name": "ag_news"}}
    first, second = planned([from_encoder(pretrained())], [from_encoder(PUBLISHED), RUN.variant(general)])
    assert first.work.tokenised == 50_000 * 292 + (5452 + 500) * 11  # IMDb's documents, TREC's as corpus
    assert second.work.tokenised == (120_000 + 7600) * DATASETS["ag_news"].wordpieces


def test_seconds_on_a_gpu_by_hand():
    h100 = GpuSpeed(gpu_facts("h100"))

    def seconds(speed: GpuSpeed = h100, **amounts: float) -> float:
        return speed.seconds(PlannedWork("fine-tuning", "bert-base-uncased", Work(**amounts)))

    assert seconds(training_operations=10**18) == pytest.approx(10**18 / (0.35 * 989.4e12) * 31 / 30)
    assert seconds(forward_operations=10**18) == pytest.approx(10**18 / (0.35 * 989.4e12))
    assert seconds(updated_weights=10**12) == pytest.approx(50e12 / 3350e9 * 31 / 30)
    assert seconds(training_passes=12_000) == pytest.approx(12 * 31 / 30)  # 1 ms for each layer
    assert seconds(forward_passes=12_000) == pytest.approx(4)
    assert seconds(tokenised=1_200_000) == 2
    both = seconds(training_operations=10**18, training_passes=12_000)
    assert both == seconds(training_operations=10**18)  # the longer one counts
    together = GpuSpeed(h100.gpu, at_once=3)
    assert seconds(together, training_passes=12_000) == pytest.approx(4 * 31 / 30)
    assert seconds(together, training_operations=10**18) == seconds(training_operations=10**18)


def test_short_batches_wait_for_launches_and_long_ones_compute():
    """An update of BERT-base on an H100: 24 questions of TREC launch for 12 ms, 24 full windows compute for longer."""
    h100 = GpuSpeed(gpu_facts("h100"))
    short, long = (
        run_work(RUN.variant({"data": data, "window.length": 512}), BASE)
        for data in ({"name": "trec", "test": 1}, {"name": "sogou", "test": 1})
    )
    launched = h100.seconds(PlannedWork("fine-tuning", "bert-base-uncased", short)) / short.updates
    assert launched == pytest.approx(0.012 * 31 / 30, rel=0.02)
    assert h100.seconds(PlannedWork("fine-tuning", "bert-base-uncased", long)) / long.updates > 0.018


def test_a_batch_over_the_budget_is_several_micro_batches():
    hierarchical = RUN.variant({"window.method": "hierarchical mean", "data": {"name": "sogou"}, "window.length": 512})
    work = run_work(hierarchical, BASE)
    assert work.training_passes == 2 * 12 * work.updates  # 24 texts of 737 wordpieces and more
    assert run_work(RUN, BASE).training_passes == 12 * 84


def test_a_bilstm_waits_from_token_to_token():
    frozen = RUN.variant({"training.frozen": True, "features.reader": "bilstm"})
    work = run_work(frozen, BASE)
    assert work.training_passes == pytest.approx(84 * 128 * 0.03)
    assert (work.updated_weights, run_work(RUN, BASE).updated_weights) == (
        0,
        84 * ((30_522 + 512) * 768 + 12 * 12 * 768**2),
    )


def test_a_gpu_without_bf16_is_told_in_fp32():
    assert "15.7 TFLOP/s in fp32" in GpuSpeed(gpu_facts("v100")).told
    assert gpu_facts("H100") == gpu_facts("h100")
    with pytest.raises(StudyError, match="'h10' is not a GPU of the table; did you mean 'h100'"):
        gpu_facts("h10")


def as_recorded(
    spec: RunSpec | EncoderSpec,
    seconds: float,
    device: str = "cpu, 2 threads",
    made: str = "2026-01-01",
    share: float = 1.0,
) -> Record | EncoderRecord:
    """A record of something that computed a `share` of the tokens that are planned for it."""
    is_run = isinstance(spec, RunSpec)
    work = run_work(spec, BASE) if is_run else pretraining_work(spec, BASE)
    cost = Cost.model_construct(
        training_seconds=0.75 * seconds, evaluation_seconds=0.25 * seconds, tokens=share * work.training_tokens
    )
    kind = Record if is_run else EncoderRecord
    return kind.model_construct(spec=spec, cost=cost, provenance=SimpleNamespace(device=device, made=made))


def test_seconds_of_records_tell_what_their_operations_and_updates_take():
    truth = Work(training_operations=1, forward_operations=2, updates=10**11)  # seconds by 10^11 of each

    def seconds(work: Work) -> float:
        amounts = ("training_operations", "forward_operations", "updates")
        return sum(getattr(work, name) * getattr(truth, name) for name in amounts) / 1e11

    sizes = [(100, 500), (300, 50), (500, 300), (700, 600), (200, 20), (900, 100)]
    runs = [RUN.variant({"data.train": train, "data.test": test}) for train, test in sizes]
    found = recorded_speed([as_recorded(run, seconds(run_work(run, BASE))) for run in runs], [], "cpu")
    other = run_work(RUN, BASE)
    assert found.seconds(PlannedWork("fine-tuning", "bert-base-uncased", other)) == pytest.approx(seconds(other))
    # no pre-training is recorded, nor another encoder: they are told by what there is
    assert found.seconds(PlannedWork("pre-training", "minilm-l6-uncased", other)) == pytest.approx(seconds(other))
    assert found.seconds(PlannedWork("tokenising", "", Work(tokenised=600_000))) == 1
    slow = [
        as_recorded(pretrained(steps=n), 5 * seconds(pretraining_work(pretrained(steps=n), BASE)))
        for n in range(90, 95)
    ]
    both = recorded_speed([as_recorded(run, seconds(run_work(run, BASE))) for run in runs], slow, "cpu")
    of = pretraining_work(pretrained(), BASE)
    assert both.seconds(PlannedWork("pre-training", "bert-base-uncased", of)) == pytest.approx(
        5 * seconds(of), rel=0.05
    )


def test_a_record_of_fewer_tokens_than_planned_took_longer_for_each():
    runs = [RUN.variant({"data.train": train}) for train in (100, 200, 300)]
    whole, half = (
        recorded_speed([as_recorded(run, run_work(run, BASE).updates, share=share) for run in runs], [], "cpu")
        for share in (1, 0.5)
    )
    one = PlannedWork("fine-tuning", "bert-base-uncased", Work(training_operations=10**15))
    assert half.seconds(one) == pytest.approx(2 * whole.seconds(one))


def test_hours_here_are_those_of_the_latest_device_of_its_kind():
    runs = [RUN.variant({"data.train": train}) for train in (100, 200, 300)]
    old = [as_recorded(run, 100.0) for run in runs]
    new = [as_recorded(run, 1.0, device="cpu, 8 threads", made="2026-02-01") for run in runs]
    gpu = [as_recorded(run, 0.1, device="NVIDIA L4, bf16", made="2026-03-01") for run in runs]
    found = recorded_speed([*new, *old, *gpu], [], "cpu")
    assert "3 recorded trainings (cpu, 8 threads)" in found.told
    assert found.seconds(PlannedWork("fine-tuning", "bert-base-uncased", run_work(runs[0], BASE))) < 2
    assert recorded_speed([*gpu, as_bag()], [], "cpu") is None
    unknown = RUN.variant({"encoder": {"name": "owner/bert", "revision": "0" * 40}})
    assert recorded_speed([as_recorded(unknown, 1.0)], [], "cpu") is None
    assert recorded_speed([as_recorded(unknown, 1.0), *new], [], "cpu").told == found.told


def as_bag() -> Record:
    return Record.model_construct(spec=BagOfWordsSpec(data=RUN.data), provenance=SimpleNamespace(device="cpu", made=""))


def test_hours_are_told_for_what_is_here_or_what_a_profile_is_made_for(monkeypatch):
    here = RecordedSpeed("here", "recorded", {("", ""): np.ones(3)})
    plans = planned([RUN], [from_encoder(PUBLISHED, 1)], [])
    for gpu, expected in [(False, ["a100", "here", None]), (True, ["here", "here", None])]:
        monkeypatch.setattr(speed_module, "has_gpu", lambda gpu=gpu: gpu)
        speeds = choose_speeds(plans, ["a100", None, None], here)
        assert [speed.device if speed else None for speed in speeds] == expected
        assert any("There is no GPU" in speed.told for speed in speeds if speed) is not gpu
    assert {speed.device for speed in choose_speeds(plans, ["a100", None, None], here, "l4") if speed} == {"l4"}
    [unknown, *_] = choose_speeds(plans, [None] * 3, None)
    assert (unknown.device, "No record shows" in unknown.told) == ("h100", True)


def test_a_gpu_that_is_here_is_known_by_its_name_or_its_records(monkeypatch):
    monkeypatch.setattr(speed_module, "gpu_here", lambda: "NVIDIA A100-SXM4-80GB")
    assert speed_module.speed_here([], []).device == "a100"
    for name, row in {"NVIDIA L40S": "l40s", "Tesla T4": "t4", "NVIDIA GeForce RTX 4090": "rtx-4090"}.items():
        monkeypatch.setattr(speed_module, "gpu_here", lambda name=name: name)
        assert speed_module.speed_here([], []).device == row
    monkeypatch.setattr(speed_module, "gpu_here", lambda: "NVIDIA RTX A1000")
    assert speed_module.speed_here([], []) is None
    monkeypatch.setattr(speed_module, "gpu_here", lambda: "NVIDIA A100-SXM4-80GB")
    record = as_recorded(RUN, 1.0, device="NVIDIA A100-SXM4-80GB, bf16")
    assert speed_module.speed_here([record], []).device == "here"
    monkeypatch.setattr(speed_module, "gpu_here", lambda: "NVIDIA Unheard-of")
    assert speed_module.speed_here([record], []) is None


def test_a_recorded_run_takes_about_the_seconds_that_are_planned_for_it(spec):
    record = run(spec)
    [page] = plan_pages(sort_runs({"page": [spec]}, lambda spec: False))
    took = record.cost.training_seconds + record.cost.evaluation_seconds
    found = recorded_speed([record], [], "cpu")
    assert hours(page, found) * 3600 == pytest.approx(took + page.work.tokenised / 600_000, rel=0.01)


def test_the_command_tells_a_table_and_the_same_as_json(spec, tmp_path):
    parameters = tmp_path / "long_texts.yaml"
    given_data = json.dumps([spec.data.model_dump()])
    parameters.write_text(f"encoder: {{name: tiny}}\nwindow: {{length: 16}}\ndata: {given_data}\nseeds: [0, 1]\n")
    printed = json.loads(CliRunner().invoke(app, ["plan", str(parameters), "--gpu", "l4", "--json"]).stdout)
    [page] = printed["pages"]
    assert (page["runs"], page["recorded"], page["shared"]) == (12, 0, 0)
    assert page["operations"] == page["training_operations"] + page["forward_operations"] > 0
    assert printed["total"]["hours"] == {"l4": page["hours"]}
    table = CliRunner().invoke(app, ["plan", str(parameters), "--gpu", "l4"]).stdout
    assert "long_texts" in table
    assert "assumed 35%" in " ".join(table.split())
    assert printed["here"][0] == "Texts in the folder of TCSTUDY_DATA: bbc_news."
    assert "no two runs of two variants are recorded" in " ".join(table.split())
    checked = CliRunner().invoke(app, ["run", "--check", str(parameters)]).stdout
    assert checked.endswith("valid; 12 runs, 0 recorded, 0 from earlier files\n")


def test_the_command_tells_what_the_comparisons_of_recorded_runs_can_tell(spec, tmp_path, monkeypatch):
    parameters = tmp_path / "long_texts.yaml"
    data, methods = json.dumps([spec.data.model_dump()]), "[head-only, head+tail]"
    given = f"encoder: {{name: tiny}}\nwindow: {{length: 16}}\ndata: {data}\nmethods: {methods}\nseeds: [0, 1, 2]\n"
    parameters.write_text(given)
    runs = read_parameters(parameters).experiment.runs()
    for key, made in runs.items():
        if key.seed < 2:
            run(made)
    [page] = json.loads(CliRunner().invoke(app, ["plan", str(parameters), "--json"]).stdout)["pages"]
    assert (page["recorded"], page["device"]) == (4, "here")
    [comparison] = page["comparisons"]
    assert (comparison["variant"], comparison["reference"], comparison["draws"]) == ("head+tail", "head-only", 3)
    assert comparison["sources"] == ["own"]
    assert 0 < comparison["points"] < comparison["share"]
    details = CliRunner().invoke(app, ["plan", str(parameters), "--details"]).stdout
    assert "head+tail / head-only (2%)" in details
    assert f"{100 * comparison['share']:.1f}%" in details
    monkeypatch.setattr("tcstudy.study.store.other_texts_of_run", lambda record: "made of other texts")
    [page] = json.loads(CliRunner().invoke(app, ["plan", str(parameters), "--json"]).stdout)["pages"]
    assert page["recorded"] == 0  # they would be made again


def test_the_paper_is_planned_without_torch_data_or_hub():
    program = (
        "import sys; from tcstudy import cli; sys.argv[1:] = ['plan', 'params/paper', '--json', '--gpu', 'a100']\n"
        "try: cli.main()\nexcept SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    printed = json.loads(done.stdout)
    assert sum(page["operations"] for page in printed["pages"]) == printed["total"]["operations"] > 10**18


def test_the_papers_setting_fits_150_hours_of_an_h100_that_runs_share():
    files = [read_parameters(path) for path in sorted((ROOT / "params" / "paper").glob("*.yaml"))]
    plans = plan_pages(sort_runs({file.page: file.experiment.runs().values() for file in files}, lambda spec: False))
    alone, together = (
        sum(hours(plan, GpuSpeed(gpu_facts("h100"), at_once=runs)) for plan in plans) for runs in (1, AT_ONCE)
    )
    assert together <= 150 < alone
    launched = sum(plan.work.training_passes for plan in plans) / 1000 / 3600
    assert alone > launched  # nothing is launched faster than by 1 ms a layer
