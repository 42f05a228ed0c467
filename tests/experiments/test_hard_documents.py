from tcstudy.experiments import HardDocuments, LongTexts

GIVEN = {"encoder": {"name": "bert-base-uncased"}, "data": [{"name": "imdb"}], "seeds": [0, 1]}


def test_its_runs_are_those_of_long_texts():
    ours, theirs = (kind.model_validate(GIVEN).runs() for kind in (HardDocuments, LongTexts))
    assert {key: run.id for key, run in ours.items()} == {key: run.id for key, run in theirs.items()}
