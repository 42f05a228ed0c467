from tcstudy.experiments import Index


def test_it_trains_nothing():
    assert Index.model_validate({"encoder": {"name": "tiny"}}).runs() == {}
