import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tcstudy.catalog.encoders import ENCODERS
from tcstudy.cli import app
from tcstudy.encoding.windows import fractions
from tcstudy.errors import StudyError
from tcstudy.experiments.long_texts import METHODS
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
from tcstudy.study import work as work_module
from tcstudy.study.plan import PagePlan, known_facts, plan_pages, sort_runs, total
from tcstudy.study.run import run
from tcstudy.study.speed import Speed, card_speed, choose_speeds, line_through
from tcstudy.study.work import Body, Work, multitask_work, pretraining_work, run_work, tokens_per_document

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


def planned(*pages: list, recorded: tuple = ()) -> list[PagePlan]:
    ids = {spec.id for spec in recorded}
    return plan_pages(sort_runs({f"page{i}": page for i, page in enumerate(pages)}, lambda spec: spec.id in ids))


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
    from tcstudy.models.bilstm import BiLSTMReader

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


def test_what_is_told_twice_is_told_the_same():
    from tcstudy.corpora import text
    from tcstudy.models import bilstm
    from tcstudy.training import pretrain

    told = work_module.BILSTM_UNITS, work_module.MOST_HELD_OUT, work_module.MOST_PAIRS
    assert told == (bilstm.UNITS, text.MOST_HELD_OUT, pretrain.MOST_PAIRS)


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
    assert (one.work, other.work) == (run_work(first, BASE) + run_work(second, BASE), Work())


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
    with pytest.raises(StudyError, match=r"owner/bert costs cannot be said before it is fetched"):
        planned([from_encoder(encoder)])
    folder = tmp_path / "models--owner--bert" / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    config = {"model_type": "bert", "num_hidden_layers": 3, "hidden_size": 8, "max_position_embeddings": 128}
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 50}))
    facts = known_facts(encoder.name, encoder.revision)
    assert (facts.layers, facts.width, facts.vocabulary, facts.local) == (3, 8, 50, None)


def test_hours_are_operations_by_speed_and_updates():
    work = Work(updates=360, training_operations=7_200_000, forward_operations=3_600_000)
    assert Speed("x", training=2000, forward=1000, update=10, told="").hours(work) == 1 + 1 + 1
    card = card_speed("h100")
    assert card.hours(Work(training_operations=10**18)) == pytest.approx(10**18 / (0.35 * 989.4e12) / 3600)
    with pytest.raises(StudyError, match="'h10' is not a card of the table; did you mean 'h100'"):
        card_speed("h10")


@given(st.floats(1, 1e6), st.floats(0, 10), st.integers(1, 10**6), st.integers(1, 10**6))
def test_two_steps_tell_their_rate_and_constant(rate, besides, few, more):
    steps = [(count, besides + count / rate) for count in (few, few + more)]
    found_rate, found_besides = line_through(*steps)
    predicted = [found_besides + count / found_rate for count, _ in steps]
    assert predicted[1] == pytest.approx(steps[1][1], rel=1e-6)
    assert found_rate > 0
    assert found_besides >= 0


def test_a_profile_that_is_made_for_a_card_is_told_for_it_where_there_is_no_gpu(monkeypatch):
    here = Speed("here", 1.0, 1.0, 0.0, "measured")
    monkeypatch.setattr(speed_module, "measure_speed", lambda runs: here)
    plans = planned([RUN], [from_encoder(PUBLISHED, 1)], [])
    for gpu, expected in [(False, ["h100", "here", None]), (True, ["here", "here", None])]:
        monkeypatch.setattr(speed_module, "has_gpu", lambda gpu=gpu: gpu)
        speeds = choose_speeds(plans, ["h100", None, None])
        assert [speed.device if speed else None for speed in speeds] == expected
        assert any("No GPU is found" in speed.told for speed in speeds if speed) is not gpu
    assert {speed.device for speed in choose_speeds(plans, ["h100", None, None], "l4") if speed} == {"l4"}


def test_nothing_is_measured_where_nothing_is_left_to_compute(monkeypatch):
    monkeypatch.setattr(speed_module, "measure_speed", lambda runs: pytest.fail("measured"))
    assert choose_speeds(planned([RUN], recorded=(RUN,)), [None]) == [None]


def test_this_machine_is_measured_with_real_steps(spec):
    [page] = plan_pages(sort_runs({"page": [spec]}, lambda spec: False))
    [measured] = choose_speeds([page], [None])
    assert measured.device == "here"
    assert 0 < measured.training < 1e15
    assert 0 < measured.forward < 1e15
    assert 0 < measured.hours(page.work) < 0.1  # the run takes about a second
    assert "tiny's size" in measured.told


def test_the_command_tells_a_table_and_the_same_as_json(spec, tmp_path):
    parameters = tmp_path / "long_texts.yaml"
    given_data = json.dumps([spec.data.model_dump()])
    parameters.write_text(f"encoder: {{name: tiny}}\nwindow: {{length: 16}}\ndata: {given_data}\nseeds: [0, 1]\n")
    printed = json.loads(CliRunner().invoke(app, ["plan", str(parameters), "--card", "l4", "--json"]).stdout)
    [page] = printed["pages"]
    assert (page["runs"], page["recorded"], page["shared"]) == (12, 0, 0)
    assert page["operations"] == page["training_operations"] + page["forward_operations"] > 0
    assert printed["total"]["hours"] == {"l4": page["hours"]}
    table = CliRunner().invoke(app, ["plan", str(parameters), "--card", "l4"]).stdout
    assert "long_texts" in table
    assert "assumed 35%" in " ".join(table.split())
    assert (
        CliRunner()
        .invoke(app, ["run", "--check", str(parameters)])
        .stdout.endswith("fine; 12 runs, 0 recorded, 0 shared with files before\n")
    )


def test_the_paper_is_planned_without_torch_data_or_hub():
    program = (
        "import sys; from tcstudy import cli; sys.argv[1:] = ['plan', 'params/paper', '--json', '--card', 'a100']\n"
        "try: cli.main()\nexcept SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    printed = json.loads(done.stdout)
    assert sum(page["operations"] for page in printed["pages"]) == printed["total"]["operations"] > 10**18
