"""What all experiments share."""

from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from tcstudy.catalog.profiles import PROFILES
from tcstudy.errors import explain, nearest
from tcstudy.spec import EncoderSpec, RunSpec
from tcstudy.value import Value

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
            raise ValueError(f"'{given}' is not a profile; {nearest(given, PROFILES)}")
        return given

    @model_validator(mode="after")
    def _runs_are_possible(self) -> Self:
        try:
            self.runs()
        except ValidationError as error:
            raise ValueError(explain(error, "run")) from None
        return self
