from tcstudy.experiments import Deviations


def test_it_trains_nothing():
    assert Deviations.model_validate({"encoder": {"name": "tiny"}}).runs() == {}
