import numpy as np
import pytest

from tcstudy.corpora.loading import load_source
from tcstudy.errors import StudyError
from tcstudy.experiments import Datasets
from tcstudy.report.datasets import beside_paper, catalogue, found


def test_it_trains_nothing():
    assert Datasets.model_validate({"encoder": {"name": "tiny"}, "datasets": ["imdb"]}).runs() == {}


def test_a_set_that_does_not_exist_is_told():
    with pytest.raises(StudyError, match=r"a.yaml: datasets: 'imbd' is not a data set .* did you mean 'imdb'"):
        Datasets.parse({"encoder": {"name": "tiny"}, "datasets": ["imbd"]}, "a.yaml")


def test_our_numbers_stand_beside_the_papers():
    sources = {"bbc_news": load_source("bbc_news")}
    table = beside_paper(sources, {"bbc_news": np.array([10, 20, 600])}, limit=512)
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert rows["IMDb", "paper"] == ["sentiment", "2", "292", "3,045", "12.69%", "25,000", "25,000"]
    assert rows["BBC News", "here"] == ["topic", "5", "210", "600", "33.33%", "120", "50"]
    assert len(rows) == 9
    assert found(sources).rows[0][:2] == ["BBC News", "local folder"]


def test_the_catalogue_shows_every_set():
    assert len(catalogue().rows) == 11
