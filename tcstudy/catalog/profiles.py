"""The profiles: who a set of parameter files is for, and what its pages say of themselves at the top.

The project has five; any other name is that of a user's own set.
"""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Profile:
    """A profile's name and the notice on its pages: kind of admonition, title, text, and the same in brief.

    `gpu` names the GPU that a profile is made for (a row of `gpus.py`), or is None: any machine will do.
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
    """The project's profiles by name; a name that is not there is that of a user's own."""

    def __missing__(self, name: str) -> Profile:
        return Profile(
            name,
            "warning",
            f"Made with parameters of its own: {name}",
            f"This page was made by the parameter files of `{name}`, which belong to none of the study's profiles.",
            OF_ONES_OWN,
        )


PUBLISHED = "mini"
"""The profile of the published study, whose records the project holds."""

NAME = re.compile(r"[^\W_]([\w .+=-]{0,78}[\w+=-])?")
"""What a profile can be called: letters, digits and a few signs that mean nothing to a file system or a page."""

PROFILES = _Profiles(
    (profile.name, profile)
    for profile in [
        Profile(
            "smoke",
            "warning",
            "Made by the profile smoke: no evidence",
            "This page was made by the profile `smoke`: a small encoder, a few short documents, one or two seeds. "
            "It shows that everything runs. Its numbers prove nothing about the paper.",
            "Everything runs; the numbers prove nothing about the paper.",
        ),
        Profile(
            "mini",
            "note",
            "Made by the profile mini",
            "This page was made by the profile `mini`: a 6-layer encoder that was tuned for sentence similarity "
            "(MiniLM), short windows, subsets of the real data sets, short further pre-training, several runs. Error "
            "rates cannot be compared with the paper's, and effects need not be the same at its size.",
            "A small encoder, short windows and few labels: effects may differ at the paper's size.",
            decides=True,
        ),
        Profile(
            "mini-2",
            "note",
            "Made by the profile mini-2",
            "This page was made by the profile `mini-2`: a 6-layer encoder (MiniLM) after general pre-training with "
            "both of BERT's heads, windows of 128 wordpieces (512 for long texts), 500 labelled documents drawn anew "
            "for each run, a million wordpieces of further pre-training. Error rates cannot be compared with the "
            "paper's, and effects need not be the same at its size.",
            "A small encoder and few labels: effects may differ at the paper's size.",
            decides=True,
        ),
        Profile(
            "paper",
            "note",
            "Made by the profile paper",
            "This page was made by the profile `paper`: the paper's encoders, data sets, steps and rates.",
            "The paper's encoders, data sets, steps and rates.",
            gpu="h100",
            decides=True,
        ),
        Profile(
            "custom",
            "warning",
            "Made with parameters of its own",
            "This page was made with parameters of its own, which belong to none of the study's profiles.",
            OF_ONES_OWN,
        ),
    ]
)
