"""The settings of this machine: folders and devices, from environment variables.

Nothing here changes what a run computes, so none of it is part of a run's identity.
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
"""Set to "over" or "lines" for a process whose output another one shows: how it prints the progress of a training."""
CPU_MICRO_BATCH_TOKENS, MICRO_BATCH_TOKENS = 2048, 16_384
"""Tokens that go through the encoder at once, on a CPU and on any other device."""
Precision = Literal["bf16", "tf32", "fp32"]
"""The precision of an encoder's matrix products; weights and updates are always fp32."""


@dataclass(frozen=True)
class Settings:
    """The folders and limits of this machine.

    Attributes:
        root: the working folder, for results and built pages: the project's, or the current folder outside a project.
        project: the folder with `book/` and `params/`: `root` if it has them, else the copy in the package.
        data: local data folder with `<set>/{train,test}.parquet`, or None (`TCSTUDY_DATA`).
        encoders: local folder of encoders, one Hugging Face folder each, or None (`TCSTUDY_ENCODERS`).
        cache: downloaded wheels (`TCSTUDY_CACHE`).
        results: run records are looked up and written here (`TCSTUDY_RESULTS`).
        published: records of the published study are looked up here and never written (`TCSTUDY_PUBLISHED`); by default
            those of the project, else those that come with the package.
        weights: encoders trained by the study (further pre-trained or multi-task fine-tuned), and the states of
            unfinished trainings (`TCSTUDY_WEIGHTS`).
        executor: where runs are made, by a name of `study.executors` (`TCSTUDY_EXECUTOR`).
        micro_batch_tokens: tokens that go through the encoder at once (`TCSTUDY_MICRO_BATCH_TOKENS`), or None
            for the device's default; changes speed and memory, not the gradient.
        precision: in which the encoder computes (`TCSTUDY_PRECISION`), or None for the device's default.
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
        """The settings from `environment` (by default the process's), with the root searched upwards from `start`.

        They are read once for each environment and start.

        Raises:
            StudyError: a given folder does not exist, or a number is not a number.
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
        own = project == root and (root / "results").is_dir()
        published = root / "results" if own else packaged_project() / "results"
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
            published=Path(environment.get("TCSTUDY_PUBLISHED") or published).absolute(),
            weights=Path(environment.get("TCSTUDY_WEIGHTS") or root / "_weights").absolute(),
            executor=environment.get("TCSTUDY_EXECUTOR") or "inline",
            micro_batch_tokens=int(tokens) if tokens else None,
            precision=precision,
        )

    def tokens_at_once(self, on_cpu: bool) -> int:
        """Tokens that go through the encoder at once, on a CPU or on any other device."""
        return self.micro_batch_tokens or (CPU_MICRO_BATCH_TOKENS if on_cpu else MICRO_BATCH_TOKENS)

    def state(self, id: str) -> Path:
        """The file with the state of an unfinished training of the run or encoder with this identity."""
        return self.weights / f"{id}.state"


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds the table of contents; `start` itself if there is none."""
    return next(filter(is_project, [start, *start.parents]), start)


def is_project(folder: Path) -> bool:
    """Whether a folder holds pages and parameters."""
    return (folder / "_toc.yml").exists() and (folder / "params").is_dir()


def packaged_project() -> Path:
    """The pages, parameters and records that come with the package: inside it, or in its clone if it is editable."""
    package = Path(__file__).parent
    inside = package / "project"
    return inside if is_project(inside) else package.parent


def _existing(environment: Mapping[str, str], variable: str) -> Path | None:
    value = environment.get(variable)
    if not value:
        return None
    folder = Path(value).absolute()
    if not folder.is_dir():
        raise StudyError(f"{variable} names {folder}, which is not a folder.")
    return folder


def cores() -> int:
    """The number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
