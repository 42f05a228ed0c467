from tcstudy.report.provenance import encoders_table, stages_of
from tcstudy.spec import EncoderSpec, MultitaskSpec, PretrainingSpec
from tcstudy.study.encoders import encoder_records, make_encoder

RECIPE = {"steps": 4, "batch_size": 4, "length": 16}


def staged(**changes):
    given = {"corpus": [{"name": "bbc_news"}], "recipe": RECIPE | changes}
    return EncoderSpec(name="tiny").after(PretrainingSpec.model_validate(given))


def test_stages_are_told_in_words():
    assert stages_of(EncoderSpec(name="tiny", layers=1)) == "tiny (1 layers)"
    spec = staged(protocol={"masking": "static"})
    assert stages_of(spec) == "tiny, pre-trained on BBC News (masking static)"
    assert stages_of(staged(frozen=True)) == "tiny, heads trained on BBC News"
    stopped = PretrainingSpec.model_validate({"corpus": [{"name": "bbc_news"}], "recipe": RECIPE, "stop": 2})
    tasks = MultitaskSpec.model_validate({"tasks": [{"name": "bbc_news"}, {"name": "trec"}], "seed": 1})
    both = EncoderSpec(name="tiny").after(stopped).after(tasks)
    assert stages_of(both) == "tiny, pre-trained on BBC News to step 2, tasks BBC News + TREC, seed 1"


def test_what_was_made_stands_in_a_row_each():
    make_encoder(staged())
    [row] = encoders_table(encoder_records([staged()]), "page").rows
    assert row[:4] == ["tiny, pre-trained on BBC News, new heads", "108", "0", "4"]
    assert row[4].count("%") == 2
