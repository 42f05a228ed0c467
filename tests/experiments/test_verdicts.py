from tcstudy.experiments import Verdicts


def test_it_trains_nothing():
    assert Verdicts.model_validate({"encoder": {"name": "tiny"}}).runs() == {}
