"""Where things are on this machine: folders and devices, from environment variables.

Nothing here changes what a run is, so nothing here is part of a run's identity.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from platformdirs import user_cache_path

from tcstudy.errors import StudyError

PROGRESS = "TCSTUDY_PROGRESS"
"""Set to "over" or "lines" for a process whose output another one shows: how it says where a training is."""
Precision = Literal["bf16", "tf32", "fp32"]
"""In what an encoder's products are computed; weights and updates are fp32 in any case."""


@dataclass(frozen=True)
class Settings:
    """The folders and limits of this machine.

    Attributes:
        root: the folder that is worked in, where results and built pages go: the project's, or outside one the current.
        project: the folder with `book/` and `params/`: `root` if it has them, else what the package brought along.
        data: local data folder with `<set>/{train,test}.parquet`, or None (`TCSTUDY_DATA`).
        encoders: local folder of encoders, one Hugging Face folder each, or None (`TCSTUDY_ENCODERS`).
        cache: downloaded wheels (`TCSTUDY_CACHE`).
        results: run records are looked up and written here (`TCSTUDY_RESULTS`).
        published: records of the published study are looked up here and never written (`TCSTUDY_PUBLISHED`).
        weights: encoders that the study made, further pre-trained or multi-task fine-tuned, and the states of trainings
            that are under way (`TCSTUDY_WEIGHTS`).
        executor: where runs are made, as `study.parsl` names it (`TCSTUDY_EXECUTOR`).
        micro_batch_tokens: tokens that go through the encoder at once (`TCSTUDY_MICRO_BATCH_TOKENS`), or None
            for the device's usual number; changes speed and memory, not the gradient.
        precision: in what the encoder computes (`TCSTUDY_PRECISION`), or None for the device's usual one.
    """

    root: Path
    project: Path
    data: Path | None
    encoders: Path | None
    cache: Path
    results: Path
    published: Path
    weights: Path
    executor: str
    micro_batch_tokens: int | None
    precision: Precision | None

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, start: Path | None = None) -> "Settings":
        """The settings by `environment` (the process's own by default), with the root searched upwards from `start`.

        They are read once for each environment and start.

        Raises:
            StudyError: a folder that was named does not exist, or a number is none.
        """
        environment = os.environ if environment is None else environment
        names = ("TCSTUDY_", "XDG_CACHE_HOME", "HOME")  # the last two say where the user's cache folder is
        given = tuple(sorted(item for item in environment.items() if item[0].startswith(names)))
        return cls._of(given, Path.cwd() if start is None else start)

    @classmethod
    @functools.cache  # specs ask for them hundreds of times for a page
    def _of(cls, given: tuple[tuple[str, str], ...], start: Path) -> "Settings":
        environment, root = dict(given), find_root(start)
        project = root if is_project(root) else packaged_project()
        tokens = environment.get("TCSTUDY_MICRO_BATCH_TOKENS")
        if tokens and (not tokens.isdigit() or int(tokens) < 1):
            raise StudyError(
                f"TCSTUDY_MICRO_BATCH_TOKENS is '{tokens}', but should be a number of tokens such as 1024."
            )
        precision = environment.get("TCSTUDY_PRECISION") or None
        if precision not in (None, *get_args(Precision)):
            raise StudyError(f"TCSTUDY_PRECISION is '{precision}', but should be bf16, tf32 or fp32.")
        return cls(
            root=root,
            project=project,
            data=_existing(environment, "TCSTUDY_DATA"),
            encoders=_existing(environment, "TCSTUDY_ENCODERS"),
            cache=Path(environment.get("TCSTUDY_CACHE") or user_cache_path("tcstudy")),
            results=Path(environment.get("TCSTUDY_RESULTS") or root / "_runs").absolute(),
            published=Path(environment.get("TCSTUDY_PUBLISHED") or published_at(root)).absolute(),
            weights=Path(environment.get("TCSTUDY_WEIGHTS") or root / "_weights").absolute(),
            executor=environment.get("TCSTUDY_EXECUTOR") or "inline",
            micro_batch_tokens=int(tokens) if tokens else None,
            precision=precision,
        )

    def state(self, id: str) -> Path:
        """The file of the state of a training that is under way, of the run or encoder with that identity."""
        return self.weights / f"{id}.state"


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds the table of contents; `start` itself if there is none."""
    return next(filter(is_project, [start, *start.parents]), start)


def is_project(folder: Path) -> bool:
    """Whether a folder holds pages and parameters."""
    return (folder / "_toc.yml").exists() and (folder / "params").is_dir()


def packaged_project() -> Path:
    """The pages, parameters and records that come with the package: in it, or in its clone where it is editable."""
    package = Path(__file__).parent
    inside = package / "project"
    return inside if is_project(inside) else package.parent


def published_at(root: Path) -> Path:
    """The published records: those of the folder that is worked in, else those that come with the package."""
    own = root / "results"
    return own if is_project(root) and own.is_dir() else packaged_project() / "results"


def _existing(environment: Mapping[str, str], variable: str) -> Path | None:
    value = environment.get(variable)
    if not value:
        return None
    folder = Path(value).absolute()
    if not folder.is_dir():
        raise StudyError(f"{variable} names {folder}, which is not a folder.")
    return folder


def cores() -> int:
    """Cores of the CPU that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
