"""The profiles: the purpose of a set of parameter files, and the notice at the top of its pages.

The project has five; any other name belongs to a user's own set.
"""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Profile:
    """A profile's name and the notice on its pages: kind of admonition, title, text, and the same in brief.

    `gpu` names the GPU that a profile needs (a row of `gpus.py`); None means that any machine will do.
    `decides` says whether its records can decide a claim of the paper.
    """

    name: str
    kind: Literal["warning", "note"]
    title: str
    notice: str
    brief: str
    gpu: str | None = None
    decides: bool = False


OF_ONES_OWN = "They belong to none of the study's profiles."


class _Profiles(dict[str, Profile]):
    """The project's profiles by name; any other name is a user's own profile."""

    def __missing__(self, name: str) -> Profile:
        return Profile(
            name,
            "warning",
            f"Custom parameters: {name}",
            f"This page was made with the parameter files of `{name}`, which belong to none of the study's profiles.",
            OF_ONES_OWN,
        )


PUBLISHED = "mini"
"""The profile of the published study, whose records the project holds."""

NAME = re.compile(r"[^\W_]([\w .+=-]{0,78}[\w+=-])?")
"""A valid profile name: letters, digits and a few characters without special meaning to file systems or pages."""

PROFILES = _Profiles(
    (profile.name, profile)
    for profile in [
        Profile(
            "smoke",
            "warning",
            "Profile smoke: no evidence",
            "This page was made with the profile `smoke`: a small encoder, a few short documents, one or two seeds. "
            "It only shows that everything runs. Its numbers are no evidence about the paper.",
            "It shows that everything runs; its numbers are no evidence about the paper.",
        ),
        Profile(
            "mini",
            "note",
            "Profile mini",
            "This page was made with the profile `mini`: a 6-layer encoder (MiniLM) that was tuned for sentence "
            "similarity and, on some pages, pre-trained on general text after that; short windows, subsets of the "
            "real data sets, short further pre-training, several runs. Error rates are not comparable with the "
            "paper's, and effects may differ at the paper's scale.",
            "A small encoder, few labels and mostly short windows: effects may differ at the paper's scale.",
            decides=True,
        ),
        Profile(
            "mini-2",
            "note",
            "Profile mini-2",
            "This page was made with the profile `mini-2`: a 6-layer encoder (MiniLM) after general pre-training with "
            "both of BERT's heads, windows of 128 wordpieces (512 for long texts), 500 labelled documents drawn anew "
            "for each run, a million wordpieces of further pre-training. Error rates are not comparable with the "
            "paper's, and effects may differ at the paper's scale.",
            "A small encoder and few labels: effects may differ at the paper's scale.",
            decides=True,
        ),
        Profile(
            "paper",
            "note",
            "Profile paper",
            "This page was made with the profile `paper`: the paper's encoders, data sets, steps and learning rates.",
            "The paper's encoders, data sets, steps and learning rates.",
            gpu="h100",
            decides=True,
        ),
        Profile(
            "custom",
            "warning",
            "Custom parameters",
            "This page was made with custom parameters, which belong to none of the study's profiles.",
            OF_ONES_OWN,
        ),
    ]
)
