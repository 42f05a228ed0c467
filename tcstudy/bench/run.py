"""`tcstudy bench`: measure what is named, and write it down."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

import tcstudy
from tcstudy.bench import tables
from tcstudy.bench.measurements import MEASUREMENTS
from tcstudy.bench.plan import QUICK_REPETITIONS, REPETITIONS, Plan
from tcstudy.bench.results import Bench, Machine
from tcstudy.errors import StudyError, nearest
from tcstudy.files import write_whole
from tcstudy.study import provenance
from tcstudy.training.devices import device_name, make_accelerator


def bench_here(encoder: str, repetitions: int | None, quick: bool, names: Sequence[str], output: Path) -> None:
    """Measure, print tables, and leave the file `output`.

    Args:
        encoder: which one is trained.
        repetitions: turns; None is the usual number.
        quick: do hardly any work, to see that everything runs.
        names: of measurements; all if there are none.
        output: the file that is written.

    Raises:
        StudyError: as `measure`.
    """
    repetitions = repetitions or (QUICK_REPETITIONS if quick else REPETITIONS)
    with tempfile.TemporaryDirectory(prefix="tcstudy-bench-") as folder:
        bench = measure(Plan(encoder, repetitions, quick, Path(folder)), names, output)
    console = Console()
    for table in (tables.speeds(bench), tables.startups(bench), tables.growths(bench)):
        if table.rows:
            console.print(tables.for_terminal(table))
    print(f"Written: {os.path.relpath(output)}")


def measure(plan: Plan, names: Sequence[str], output: Path) -> Bench:
    """Measure what is named, everything by default; the file is there with all that is done so far.

    Raises:
        StudyError: there is no such measurement, data or encoder cannot be had, or a process failed.
    """
    for name in names:
        if name not in MEASUREMENTS:
            raise StudyError(f"'{name}' is not a measurement; {nearest(name, MEASUREMENTS)}")
    bench = Bench(quick=plan.quick, encoder=plan.encoder, repetitions=plan.repetitions, machine=this_machine())
    for name in names or MEASUREMENTS:
        bench = bench.adding(*MEASUREMENTS[name](plan))
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, bench.text())
    return bench


def this_machine() -> Machine:
    """What the measurements are made on and with."""
    return Machine(
        made=provenance.now(),
        package=tcstudy.__version__,
        commit=provenance.commit(),
        libraries=provenance.library_versions(),
        system=provenance.system(),
        device=device_name(make_accelerator()),
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )
