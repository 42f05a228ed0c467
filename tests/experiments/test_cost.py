from tcstudy.experiments import Cost


def test_it_trains_nothing():
    assert Cost.model_validate({"encoder": {"name": "tiny"}}).runs() == {}
