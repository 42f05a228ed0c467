"""What all experiments share."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from tcstudy.catalog.profiles import PROFILES
from tcstudy.errors import StudyError, nearest
from tcstudy.spec import PROTOCOLS, DataSpec, EncoderSpec, NamedProtocol, RunSpec, TrainingSpec
from tcstudy.value import Value, changed

Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False, min_length=1)]


class RunKey(NamedTuple):
    """Where a run stands in its experiment's table."""

    dataset: str
    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.dataset}, {self.variant}, seed {self.seed}"


class Experiment(Value):
    """The parameters of a page. A subclass declares them and says which runs they make.

    Attributes:
        page: name of the page, of its parameter files and of this module.
        profile: which set of parameter files this is; decides the notice at the top of the page.
        encoder: the pre-trained encoder.
    """

    page: ClassVar[str]

    profile: str = "custom"
    encoder: EncoderSpec

    def runs(self) -> dict[RunKey, RunSpec]:
        """The runs of the experiment; none for a page that trains nothing."""
        return {}

    @field_validator("profile")
    @classmethod
    def _profile_exists(cls, given: Any) -> Any:
        if given not in PROFILES:
            raise StudyError(f"'{given}' is not a profile; {nearest(given, PROFILES)}")
        return given

    @model_validator(mode="after")
    def _runs_are_possible(self) -> Self:
        self.runs()
        return self


class FineTuningExperiment(Experiment):
    """An experiment that compares variants of one fine-tuning on some data sets with some seeds.

    Attributes:
        data: the data sets and how many of their documents are drawn.
        training, protocol: how each model is trained.
        seeds: one run for each.
    """

    data: Annotated[tuple[DataSpec, ...], Field(strict=False, min_length=1)]
    training: TrainingSpec = TrainingSpec()
    protocol: NamedProtocol = PROTOCOLS["clean"]
    seeds: Seeds = (0,)

    def grid(self, variants: Mapping[str, Mapping[str, Any]]) -> dict[RunKey, RunSpec]:
        """One run for each data set, variant and seed.

        Args:
            variants: what each changes in the common spec, by dotted keys.

        Raises:
            StudyError: a run is not possible; names the run and the key.
        """
        runs = {}
        for data in self.data:
            common = {"data": data, "encoder": self.encoder, "training": self.training, "protocol": self.protocol}
            for name, changes in variants.items():
                for seed in self.seeds:
                    key = RunKey(data.name, name, seed)
                    runs[key] = RunSpec.parse(changed(common, {**changes, "seed": seed}), f"run {key}")
        return runs
