"""How fast is the study, beside Hugging Face's `Trainer` and as the work grows? Not in the paper."""

from typing import ClassVar

from tcstudy.experiments.base import Experiment


class Speed(Experiment):
    """The measurements that the project holds; measures and trains nothing."""

    page: ClassVar = "speed"
