"""Parameter files full of nonsense: every one is refused in sentences that name it, quickly, or it is fine."""

import copy
import math
import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

SMOKE = Path(__file__).parents[2] / "params" / "smoke"
PAGES = ("datasets", "long_texts", "layers", "within_task", "few_shot", "multitask", "forgetting")
GOOD = {page: yaml.safe_load((SMOKE / f"{page}.yaml").read_text()) for page in PAGES}


def many(number: int) -> hypothesis_settings:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return hypothesis_settings(max_examples=number, deadline=None, suppress_health_check=checks)


@pytest.fixture
def check(tmp_path, call):
    """Writes a file and has the command line check it: its exit status."""

    def check(content: str | bytes, page: str = "datasets") -> int:
        path = tmp_path / f"{page}.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        started = time.perf_counter()
        status, out, err = call("run", path, "--check")
        assert time.perf_counter() - started < 20
        assert status in (0, 2)
        if status == 2:
            assert err.startswith(f"tcstudy: {path}")
            assert len(err) < 20_000
            assert all(str(path) in line for line in err.splitlines())
            assert "Traceback" not in err
            assert not re.search(r"[\x00-\x08\x0b-\x1f]", err)
        else:
            assert ": valid; " in out
        return status

    return check


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.binary(max_size=5),
    st.sampled_from(
        [
            "",
            "1e-5",
            "1e999",
            ".inf",
            "../x",
            "/etc",
            "tiny/..",
            "a/b",
            "clean",
            "imdb",
            "head+tail",
            "\x00",
            "\x1b[31m",
        ]
    ),
    st.sampled_from([0, -1, 2**31, 2**32, 2**53, 2**63, 10**400, 0.0, -0.0, 1e-320, 1e308, math.inf, math.nan]),
)
keys = st.one_of(st.text(max_size=8), st.integers(), st.none(), st.sampled_from(["name", "data", "encoder", "seeds"]))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=8,
)


@many(120)
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_noise_is_no_parameter_file(check, content):
    check(content)


@many(120)
@given(content=values)
def test_data_of_any_shape(check, content):
    try:
        written = yaml.safe_dump(content)
    except UnicodeEncodeError:
        return
    check(written)


def places(given, path=()):
    """Where every value of a file stands."""
    yield path
    items = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@st.composite
def changed_files(draw):
    """A page and its file with a value replaced, removed or added."""
    page = draw(st.sampled_from(PAGES))
    content = copy.deepcopy(GOOD[page])
    *path, last = draw(st.sampled_from([place for place in places(content) if place]))
    parent = content
    for key in path:
        parent = parent[key]
    match draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename"])):
        case "replace":
            parent[last] = draw(values)
        case "remove":
            del parent[last]
        case "rename" if isinstance(parent, dict):
            parent[draw(keys)] = parent.pop(last)
    return page, content


@many(250)
@given(changed=changed_files())
def test_one_wrong_value(check, changed):
    page, content = changed
    try:
        written = yaml.safe_dump(content)
    except UnicodeEncodeError:
        return
    check(written, page)


@st.composite
def mangled_files(draw):
    """A page and the text of its file with some letters replaced, inserted or lost."""
    page = draw(st.sampled_from(PAGES))
    text = (SMOKE / f"{page}.yaml").read_text()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        inserted = draw(
            st.sampled_from(["", " ", "\t", ":", "- ", "&a ", "*a", "{", "]", "!!", "'", "\n", "<<: ", "|", "9"])
        )
        text = text[:at] + inserted + text[at + draw(st.integers(0, 5)) :]
    return page, text


@many(120)
@given(mangled=mangled_files())
def test_slips_of_the_hand(check, mangled):
    page, text = mangled
    check(text, page)


START = "encoder: {name: minilm-l6-uncased}\ndatasets: [imdb]\n"
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (LAUGHS, "it expands to more than 10,000 values"),
        ("datasets: &a [*a]\n", "an anchor stands for something that contains itself"),
        ("[" * 60_000, "more than 20 lists and mappings are nested"),
        ("{a: " * 20_000, "more than 20 lists and mappings"),
        ("- " * 40_000, "more than 20 lists and mappings"),
        ("#" + "x" * 200_000, "is too large for a parameter file"),
        (START + "limit: " + "9" * 5000, "not valid YAML: ValueError"),
        (START + "limit: 0x" + "f" * 20_000, "a number of 80000 bits"),
        (START + "limit: 2001-99-99", "month must be in 1..12"),
        (START + "limit: .nan", "nan (float) is given"),
        (START + "limit: !!timestamp x", "not valid YAML: AttributeError"),
        (START + "limit: !!bool abc", "not valid YAML: KeyError"),
        (START + '"\\ud800": 1', "half of a surrogate pair is not a character"),
        (START + "limit: 1\nlimit: 2", "the key `limit` is given twice"),
        (START.encode("utf-16"), "is not UTF-8 text"),
        (START.encode("latin-1") + b"limit: \xe4", "is not UTF-8 text"),
        (START + "---\n" + START, "but found another document"),
        ("!!python/object/apply:os.system [echo]", "could not determine a constructor"),
        (START + "limit: " + "[" * 15 + "1" + "]" * 15, "limit: [[[[[...]]]]] (list) is given"),
        ("\n".join(f"key{i}: 1" for i in range(3000)), "`key0` is not a key of Datasets"),
    ],
)
def test_what_is_meant_to_hurt(check, tmp_path, call, content, sentence):
    assert check(content) == 2
    assert sentence in call("run", tmp_path / "datasets.yaml", "--check").err


def test_a_page_of_millions_of_runs_is_refused_before_they_are_counted(check):
    content = GOOD["few_shot"] | {"fractions": [0.5] * 900, "draws": [0] * 900, "seeds": [0] * 900}
    assert check(yaml.safe_dump(content), "few_shot") == 2


def test_many_mistakes_are_counted(check, tmp_path, call):
    assert check(yaml.safe_dump(GOOD["long_texts"] | {"seeds": ["x"] * 500}), "long_texts") == 2
    assert "480 more mistakes" in call("run", tmp_path / "long_texts.yaml", "--check").err


def test_anchors_and_a_mark_of_byte_order_are_fine(check):
    assert check("\ufeff" + START.replace("[imdb]", "&sets [imdb]")) == 0
    lists = yaml.safe_dump(GOOD["long_texts"]).replace("seeds:", "seeds: &seeds", 1)
    assert check(lists, "long_texts") == 0


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "nothing.yaml", "\x1b[31m.yaml", "/dev/zero", "[/b].yaml"])
def test_paths_that_are_none(call, name):
    status, _, err = call("run", name)
    assert status == 2
    assert err.startswith("tcstudy: ")
    assert "Traceback" not in err
