"""Table 2: six ways to give a long text to an encoder with a short window."""

from typing import Annotated, ClassVar, get_args

from pydantic import Field

from tcstudy.experiments.base import LanguagesExperiment, RunKey
from tcstudy.spec import Method, NamedMethod, RunSpec, WindowSize, WindowSpec
from tcstudy.value import NonEmpty, TupleOf

METHODS: tuple[Method, ...] = get_args(Method)


class LongTexts(LanguagesExperiment):
    """Every method on every data set with every seed.

    Attributes:
        window: length of the window, and of the head that head+tail keeps.
        methods: rows of Table 2.
        lengths: more windows, each with head+tail alone: what a longer window buys, beside the methods that do
            without one.
    """

    page: ClassVar = "long_texts"

    window: WindowSize = WindowSize()
    methods: NonEmpty[NamedMethod] = METHODS
    lengths: TupleOf[Annotated[int, Field(ge=8)]] = ()

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, method or window, and seed."""
        methods = {method: {"window": self.window_for(method)} for method in self.methods}
        windows = {
            f"head+tail, window {length}": {"window": WindowSpec(method="head+tail", length=length)}
            for length in self.lengths
        }
        return self.grid(methods | windows)

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: head+tail, where it is one of the methods."""
        others = (method for method in self.methods if method != "head+tail")
        return dict.fromkeys(others, "head+tail") if "head+tail" in self.methods else {}

    def window_for(self, method: str) -> WindowSpec:
        """The window of one method."""
        head = self.window.head if method == "head+tail" else None
        return WindowSpec(method=method, length=self.window.length, head=head)
