import re
from pathlib import Path

import pytest

from tcstudy.catalog.datasets import DATASETS, PAPER_DATASETS
from tcstudy.catalog.encoders import ENCODERS
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
