import errno
import os
import subprocess
import sys

import pytest
from safetensors import SafetensorError

from tcstudy.errors import StudyError
from tcstudy.files import digest_of, hold, remove, set_aside, told, write_whole


def test_nothing_that_was_set_aside_is_overwritten(tmp_path):
    names = []
    for number in range(3):
        (tmp_path / "a.json").write_text(str(number))
        names.append(set_aside(tmp_path / "a.json"))
    assert [path.name for path in names] == ["a.damaged", "a.damaged-2", "a.damaged-3"]
    assert [path.read_text() for path in names] == ["0", "1", "2"]


def test_a_file_is_there_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_whole(path, "first")
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        write_whole(path, "second")
    assert path.read_text() == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_the_digest_is_that_of_the_system(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_link_is_removed_without_what_it_leads_to(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["far"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "x"), "The disk of .* is full.* set TCSTUDY_X to another folder"),
        (OSError(errno.EDQUOT, "x"), "The disk of .* is full"),
        (OSError(errno.EROFS, "Read-only file system"), "Things cannot be written to .*Read-only.*set TCSTUDY_X to a"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "The disk of .* is full"),
        (SafetensorError('IoError(Os { code: 30, kind: ReadOnly, message: "x" })'), "Things cannot be written"),
    ],
)
def test_what_the_disk_says_is_told_in_a_sentence(tmp_path, error, sentence):
    with pytest.raises(StudyError, match=sentence), told(tmp_path, "Things", "TCSTUDY_X", SafetensorError):
        raise error


def test_what_is_not_about_the_folder_is_not_told_as_if_it_were(tmp_path):
    for error in (FileNotFoundError(errno.ENOENT, "x", "/elsewhere/y"), SafetensorError("header too large")):
        with pytest.raises(type(error)), told(tmp_path, "Things", "TCSTUDY_X", SafetensorError):
            raise error


def test_a_lock_is_let_go_by_a_holder_that_dies(tmp_path):
    program = f"""
import os, sys
from pathlib import Path
from tcstudy.files import hold
with hold(Path({str(tmp_path / "lock")!r}), "Things", "TCSTUDY_X"):
    print("held", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    with hold(tmp_path / "lock", "Things", "TCSTUDY_X"):
        pass
