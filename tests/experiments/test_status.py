from tcstudy.experiments import Status


def test_it_trains_nothing():
    assert Status.model_validate({"encoder": {"name": "tiny"}}).runs() == {}
