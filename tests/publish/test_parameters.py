from pathlib import Path

import nbformat
import pytest

from tcstudy.catalog.profiles import PROFILES
from tcstudy.errors import StudyError
from tcstudy.publish.freshness import belongs_to, made_from, stamp
from tcstudy.publish.pages import executed_page, run_pages
from tcstudy.publish.parameters import find_parameter_files, keep_as, profile_folder, read_all, read_parameters
from tcstudy.settings import Settings

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
        (GOOD + "datasets: [trec]\n", "line 1: not valid YAML: the key `datasets` is given twice"),
        ("encoder: {name: a, name: b}\n", "the key `name` is given twice"),
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


def test_a_table_of_texts_is_told_from_a_parameter_file(tmp_path):
    with pytest.raises(StudyError, match=r"Tickets.CSV is a table, not a parameter file: .* there is tcstudy apply"):
        read_parameters(write(tmp_path, "text,label\n" * 10_000, "Tickets.CSV"))


def test_a_file_is_named_after_its_page_or_names_it(tmp_path):
    sentence = r"there is no page 'dataset'; did you mean 'datasets'.*needs the key `page`, for example `page: "
    with pytest.raises(StudyError, match=sentence):
        read_parameters(write(tmp_path, GOOD, "dataset.yaml"))
    file = read_parameters(write(tmp_path, GOOD + "page: datasets\n", "any name.yaml"))
    assert (file.page, file.name, file.experiment.datasets) == ("datasets", "any name", ("imdb",))
    assert "page" not in file.values
    with pytest.raises(StudyError, match=r"there is no page 'dataset'; did you mean 'datasets'\?$"):
        read_parameters(write(tmp_path, GOOD + "page: dataset\n", "datasets.yaml"))
    with pytest.raises(StudyError, match=r"there is no page \[1\]"):
        read_parameters(write(tmp_path, GOOD + "page: [1]\n"))


def test_a_profile_is_by_default_the_folder_and_has_any_name(tmp_path):
    (tmp_path / "my sweep").mkdir()
    assert read_parameters(write(tmp_path / "my sweep", GOOD)).values["profile"] == "my sweep"
    named = read_parameters(write(tmp_path, GOOD + "profile: other\n"))
    assert named.experiment.profile == "other"
    assert not PROFILES[named.experiment.profile].decides
    with pytest.raises(StudyError, match="profile: '<b>' is no name of a profile"):
        read_parameters(write(tmp_path, GOOD + "profile: <b>\n"))


LONG = "page: long_texts\nencoder: {name: tiny}\ndata: [{name: imdb}, {name: trec}]\nwindow: {length: 32}\n"


def test_values_are_changed_by_dotted_keys_and_commas_make_a_grid(tmp_path):
    path = write(tmp_path, LONG + "profile: mini\n", "mine.yaml")
    files = read_all([path], ["training.learning_rate=1e-3,1e-4", "data.1.train=20", "seeds=[0, 1]"])
    assert [file.experiment.training.learning_rate for file in files] == [1e-3, 1e-4]
    assert all(file.experiment.seeds == (0, 1) for file in files)
    assert [data.train for data in files[0].experiment.data] == [None, 20]
    assert files[0].experiment.profile == "custom"  # no longer the study's own
    assert files[0].name != files[1].name
    assert files[0].name.startswith("mine-training.learning_rate=1e-3-data.1.train=20-seeds=")
    assert str(files[0]).endswith("mine.yaml with training.learning_rate=1e-3, data.1.train=20, seeds=[0, 1]")
    [other] = read_all([path], ["profile=mini"])
    assert other.experiment.profile == "mini"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("training.learning_rat=1", "with --set: training: `learning_rat` is not a key of .*did you mean"),
        ("seedz=[1]", "`seedz` is not a key of LongTexts; did you mean 'seeds'"),
        ("data.2.train=1", "--set data.2.train: there is no `2` in "),
        ("protocol.selection=test", "there is no `selection` in 'clean'"),
        ("seeds=[1", "--set seeds=.1: not valid YAML|--set seeds=.1, line"),
        ("seeds", "a change has the form key=value"),
        ("seeds=", "a change has the form key=value"),
        ("page=layers", "`page` is not a key"),
        ("seeds=0", r"seeds: 0 \(int\) is given; a list is in brackets: --set \"seeds=\[\.\.\., \.\.\.\]\""),
        ("training.epochs=1,2,1", "--set training.epochs has the value 1 twice"),
    ],
)
def test_a_change_that_cannot_be_is_told(tmp_path, change, sentence):
    path = write(tmp_path, LONG + "protocol: clean\n", "mine.yaml")
    with pytest.raises(StudyError, match=sentence) as error:
        read_all([path], [change])
    assert len(str(error.value).splitlines()) == 1


def test_a_change_leaves_what_an_alias_shares(tmp_path):
    text = LONG.replace("[{name: imdb}", "[&a {name: imdb}").replace("{name: trec}", "*a")
    [file] = read_all([write(tmp_path, text, "mine.yaml")], ["data.0.name=trec"])
    assert [data.name for data in file.experiment.data] == ["trec", "imdb"]


def test_two_files_with_one_place_for_their_pages_are_refused(tmp_path):
    for folder in ("a/x", "b/x", "c/y"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder, GOOD)
    with pytest.raises(StudyError, match=r"a/x/datasets.yaml would both be written to _build/pages/x/datasets.ipynb"):
        read_all([tmp_path / "a/x", tmp_path / "b/x"])
    assert len(read_all([tmp_path / "a/x", tmp_path / "c/y"])) == 2
    write(tmp_path / "a/x", GOOD + "page: datasets\n", "Datasets.yml")
    with pytest.raises(StudyError, match="would both be written"):
        read_all([tmp_path / "a/x"])


def test_changed_files_can_be_kept_as_a_set_of_their_own(tmp_path):
    path = write(tmp_path, LONG, "mine.yaml")
    files = read_all([path], ["training.epochs=1,2"])
    kept = keep_as(tmp_path / "epochs", files)
    assert [file.path.name for file in kept] == ["mine-training.epochs=1.yaml", "mine-training.epochs=2.yaml"]
    assert [file.experiment.training.epochs for file in read_all([tmp_path / "epochs"])] == [1, 2]
    assert kept[0].experiment.profile == "epochs"
    assert keep_as(tmp_path / "epochs", files) == kept
    kept[0].path.write_text("page: long_texts\n")
    with pytest.raises(StudyError, match="already exists with other parameters"):
        keep_as(tmp_path / "epochs", files)


def test_a_folder_has_its_name_from_wherever_it_is_seen(tmp_path, monkeypatch):
    (tmp_path / "sweep" / "inside").mkdir(parents=True)
    write(tmp_path / "sweep", GOOD)
    for place, seen in [(".", "sweep"), ("sweep", "."), ("sweep/inside", ".."), (".", "sweep/inside/..")]:
        monkeypatch.chdir(tmp_path / place)
        [file] = read_all([Path(seen)])
        assert (file.folder, file.experiment.profile) == ("sweep", "sweep")
        assert len(read_all([Path(seen), tmp_path / "sweep"])) == 1


def test_a_profile_is_a_name_in_params_or_a_path(project, monkeypatch):
    assert profile_folder("smoke") == project / "params" / "smoke"
    (project / "sweep").mkdir()
    assert profile_folder("sweep") == Path("sweep")
    assert profile_folder("params/smoke") == Path("params/smoke")
    monkeypatch.chdir(project / "sweep")
    assert profile_folder(".") == Path(".")
    assert profile_folder("../sweep") == Path("../sweep")


def test_files_and_folders_each_once_in_order(tmp_path):
    first, second = write(tmp_path, GOOD, "b.yaml"), write(tmp_path, GOOD, "a.yaml")
    assert find_parameter_files([first, tmp_path]) == [first, second]
    with pytest.raises(StudyError, match="does not exist"):
        find_parameter_files([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match=r"holds no parameter file \(\*\.yaml\)\.$"):
        find_parameter_files([tmp_path / "empty"])
    (tmp_path / "above").mkdir()
    first.rename(tmp_path / "empty" / "b.yaml")
    (tmp_path / "empty").rename(tmp_path / "above" / "full")
    with pytest.raises(StudyError, match=rf"; these folders in it do: {tmp_path / 'above' / 'full'}\.$"):
        find_parameter_files([tmp_path / "above"])


def test_a_folders_files_come_in_the_order_of_the_book(tmp_path):
    encoder = "encoder: {name: tiny}\n"
    for page, text in [("verdicts", encoder), ("a", LONG), ("datasets", GOOD), ("b", GOOD + "page: datasets\n")]:
        write(tmp_path, text, f"{page}.yaml")
    assert [file.name for file in read_all([tmp_path])] == ["b", "datasets", "a", "verdicts"]
    assert [file.name for file in read_all([tmp_path / "verdicts.yaml", tmp_path])] == [
        "verdicts",
        "b",
        "datasets",
        "a",
    ]


def test_a_page_that_another_file_made_is_not_overwritten(project):
    for folder in ("a/x", "b/x"):
        (project / folder).mkdir(parents=True)
    first, second = (read_parameters(write(project / folder, GOOD)) for folder in ("a/x", "b/x"))
    settings = Settings.read()
    notebook = executed_page(first, settings)
    notebook.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(), notebook)
    stamp(notebook, made_from(first, settings), first, settings)
    assert run_pages([first]) == []  # as it would be now
    with pytest.raises(
        StudyError, match=r"b/x/datasets.yaml would overwrite .*, which was made from a/x/datasets.yaml"
    ):
        run_pages([second])
    first.path.unlink()
    assert belongs_to(notebook, settings) is None
