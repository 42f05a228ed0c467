"""Table 2: six ways to give a long text to an encoder with a short window."""

from typing import Annotated, ClassVar, get_args

from pydantic import Field

from tcstudy.experiments.base import Experiment, RunKey, Seeds
from tcstudy.spec import PROTOCOLS, DataSpec, Method, NamedProtocol, RunSpec, TrainingSpec, WindowSize, WindowSpec

METHODS: tuple[Method, ...] = get_args(Method)


class LongTexts(Experiment):
    """Every method on every data set with every seed.

    Attributes:
        data: the data sets and how many of their documents are drawn.
        window: length of the window, and of the head that head+tail keeps.
        methods: rows of Table 2.
        training, protocol: how each model is trained.
        seeds: one run for each.
    """

    page: ClassVar = "long_texts"

    data: Annotated[tuple[DataSpec, ...], Field(strict=False, min_length=1)]
    window: WindowSize = WindowSize()
    methods: Annotated[tuple[Method, ...], Field(strict=False, min_length=1)] = METHODS
    training: TrainingSpec = TrainingSpec()
    protocol: NamedProtocol = PROTOCOLS["clean"]
    seeds: Seeds = (0,)

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, method and seed."""
        return {
            RunKey(data.name, method, seed): RunSpec(
                data=data,
                encoder=self.encoder,
                window=self.window_for(method),
                training=self.training,
                protocol=self.protocol,
                seed=seed,
            )
            for data in self.data
            for method in self.methods
            for seed in self.seeds
        }

    def window_for(self, method: Method) -> WindowSpec:
        """The window of one method."""
        head = self.window.head if method == "head+tail" else None
        return WindowSpec(method=method, length=self.window.length, head=head)
