"""Pages: converted by jupytext, executed by papermill, and never left half done under a finished name."""

import glob
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcstudy.errors import StudyError
from tcstudy.files import PARTIAL, hold, near, remove
from tcstudy.publish.freshness import belongs_to, is_fresh, made_from, page_source, stamp
from tcstudy.publish.parameters import ParameterFile, check_places
from tcstudy.settings import PROGRESS, Settings


@dataclass(frozen=True)
class PageResult:
    """The result of executing a page: `failure` is None, or the last line of the error."""

    parameters: ParameterFile
    seconds: float
    failure: str | None
    notebook: Path


def pages_folder(settings: Settings, name: str) -> Path:
    """Where the executed pages of a folder of parameter files are."""
    return settings.root / "_build" / "pages" / name


def executed_page(file: ParameterFile, settings: Settings) -> Path:
    """The executed page of a parameter file."""
    return pages_folder(settings, file.folder) / f"{file.name}.ipynb"


def run_pages(files: Sequence[ParameterFile], again: bool = False) -> list[PageResult]:
    """Execute the page of each file, one after the other; a page that fails does not stop the next.

    Left out are those for which nothing has changed since they were executed, unless `again`.

    Raises:
        StudyError: before anything is executed: two files, or a file and one of an earlier call that is still there,
            have one place for their pages; the text of a page is missing.
    """
    settings = Settings.read()
    check_places(files)
    for file in files:
        page_source(file.page, settings)
        other = belongs_to(executed_page(file, settings), settings)
        if other and not other.samefile(file.path):
            raise StudyError(
                f"{file} would overwrite {near(executed_page(file, settings))}, which was made from {near(other)}: "
                "rename one of the files or its folder."
            )
    results = []
    for number, file in enumerate(files, start=1):
        told = f"page {number} of {len(files)}: {file.name}"
        if not again and is_fresh(executed_page(file, settings), made_from(file, settings)):
            print(f"{told} is up to date", file=sys.stderr, flush=True)
            continue
        print(f"{told}, {file}", file=sys.stderr, flush=True)
        result = run_page(file, settings)
        ended = f"failed: {result.failure}" if result.failure else "done"
        print(f"{told} {ended}, {result.seconds:.0f} s", file=sys.stderr, flush=True)
        results.append(result)
    return results


def run_page(file: ParameterFile, settings: Settings) -> PageResult:
    """Execute the page of a parameter file.

    The notebook gets its name only when every cell has run. A page that failed loses the finished notebook of an
    earlier run, and is left as `<name>.failed.ipynb` for looking into.

    Raises:
        StudyError: the page's source is missing, or the folder cannot be written.
    """
    source = page_source(file.page, settings)
    finished = executed_page(file, settings)
    folder, failed = finished.parent, finished.with_name(f"{file.name}.failed.ipynb")
    started = time.perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = f"{file.folder}-{file.name}"
        with (
            hold(settings.root / "_build" / "locks" / place, "Pages", "the current folder"),
            _own_folder(folder, file.name) as temporary,
        ):
            executed = Path(temporary) / "executed.ipynb"
            failure = execute(source, executed, file.values, settings.root)
            if failure:
                finished.unlink(missing_ok=True)
            else:
                stamp(executed, made_from(file, settings), file, settings)
            if executed.exists():
                os.replace(executed, failed if failure else finished)
            if not failure:
                failed.unlink(missing_ok=True)
    except OSError as error:
        raise StudyError(f"Pages cannot be written to {folder} ({error.strerror or error}).") from None
    return PageResult(file, time.perf_counter() - started, failure, failed if failure else finished)


def execute(source: Path, executed: Path, parameters: Mapping[str, Any], folder: Path | None = None) -> str | None:
    """Execute the text notebook `source` by papermill.

    Args:
        source, parameters: the page's.
        executed: the notebook that is written, up to the cell that failed; in a folder of its own.
        folder: that the kernel works in; this process's by default.

    Returns:
        The last line of what went wrong, or None.

    Raises:
        OSError: the notebook cannot be written.
    """
    import jupytext  # slow to import
    import papermill
    from traitlets.config import Config

    os.environ.setdefault(PROGRESS, "over" if sys.stderr.isatty() else "lines")  # the kernel's output is shown here
    os.environ.setdefault("PYTHONWARNINGS", "ignore:IProgress not found")  # tqdm asking for widgets, in the kernel
    notebook = executed.with_name("page.ipynb")
    jupytext.write(jupytext.read(source), notebook)
    sockets = sockets_of(executed.parent)  # ports are raced for; sockets are not, in a folder of their own
    sockets.mkdir(mode=0o700)
    try:
        papermill.execute_notebook(
            notebook,
            executed,
            parameters=dict(parameters),
            kernel_name="python3",
            progress_bar=False,
            stderr_file=sys.stderr,
            cwd=folder,
            extra_arguments=["--log-level=CRITICAL"],  # of the kernel, which tells of its own end on Ctrl-C
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        )
    except Exception as error:  # noqa: BLE001 - whatever a page raises, or the kernel's death
        return _last_line(error)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    return None


def sockets_of(folder: Path) -> Path:
    """Where the sockets of the kernel are that executes a page in `folder`; paths of sockets must be short."""
    digest = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()
    return Path(tempfile.gettempdir()) / f"tcstudy-{digest[:12]}"


@contextmanager
def _own_folder(folder: Path, name: str) -> Iterator[str]:
    """A folder for an execution of the page `name`, whose lock is held; what a killed one left is taken away."""
    for left in folder.glob(f".{glob.escape(name)}.*{PARTIAL}"):
        shutil.rmtree(sockets_of(left), ignore_errors=True)
        remove(left)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.", suffix=PARTIAL) as temporary:
        yield temporary


def _last_line(error: Exception) -> str:
    if "DeadKernel" in type(error).__name__ or "Kernel died" in str(error):
        return (
            "its process was killed, perhaps by the system for lack of memory (a smaller TCSTUDY_MICRO_BATCH_TOKENS "
            "needs less); all records are kept, and the same command continues"
        )
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    line = (str(value).strip().splitlines() or [""])[0]
    return line if name == "StudyError" else f"{name}: {line}"
