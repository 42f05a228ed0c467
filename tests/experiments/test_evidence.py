from tcstudy.experiments import Evidence


def test_it_trains_nothing():
    assert Evidence.model_validate({"encoder": {"name": "tiny"}}).runs() == {}
