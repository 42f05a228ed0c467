from tcstudy.experiments import Explore


def test_it_trains_nothing():
    assert Explore.model_validate({"encoder": {"name": "tiny"}}).runs() == {}
