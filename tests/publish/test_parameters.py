import pytest

from tcstudy.errors import StudyError
from tcstudy.publish.parameters import find_parameter_files, read_parameters

GOOD = "encoder: {name: tiny}\ndatasets: [imdb]\n"


def write(tmp_path, text, name="datasets.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_good_file(tmp_path):
    file = read_parameters(write(tmp_path, GOOD))
    assert file.page == "datasets"
    assert file.experiment.datasets == ("imdb",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + "limitt: 3\n", "`limitt` is not a key of Datasets; did you mean 'limit'"),
        (GOOD + "limit: many\n", r"limit: 'many' \(str\) is given"),
        (GOOD + "datasets: [trec]\n", "line 1: not valid YAML: the key `datasets` stands twice"),
        ("encoder: {name: a, name: b}\n", "the key `name` stands twice"),
        ("encoder: [\n", "not valid YAML"),
        ("!!python/object/apply:os.system [echo]\n", "not valid YAML: could not determine a constructor"),
        ("- 1\n", "a mapping of keys to values is expected here"),
        ("", "encoder is missing"),
        ("[a]: 1\n", "not valid YAML"),
        (b"\xff\xfe\xff", "is not UTF-8 text|not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_a_bad_file_is_told_with_its_name(tmp_path, text, sentence):
    path = write(tmp_path, text)
    with pytest.raises(StudyError, match=sentence) as error:
        read_parameters(path)
    assert all(line.startswith(str(path)) for line in str(error.value).splitlines())


def test_a_file_is_named_after_its_page(tmp_path):
    with pytest.raises(StudyError, match="there is no page 'dataset'; did you mean 'datasets'"):
        read_parameters(write(tmp_path, GOOD, "dataset.yaml"))


def test_files_and_folders_each_once_in_order(tmp_path):
    first, second = write(tmp_path, GOOD, "b.yaml"), write(tmp_path, GOOD, "a.yaml")
    assert find_parameter_files([first, tmp_path]) == [first, second]
    with pytest.raises(StudyError, match="does not exist"):
        find_parameter_files([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match="holds no parameter file"):
        find_parameter_files([tmp_path / "empty"])


def test_a_folders_files_come_in_the_order_of_the_book(tmp_path):
    for page in ("verdicts", "base_rate", "nonsense", "layers", "datasets"):
        write(tmp_path, GOOD, f"{page}.yaml")
    found = [path.stem for path in find_parameter_files([tmp_path])]
    assert found == ["datasets", "base_rate", "layers", "verdicts", "nonsense"]
