"""The base class of all descriptions: frozen, strictly typed, with mistakes explained in sentences."""

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tcstudy.errors import StudyError, explain, nearest, shown

Item = TypeVar("Item")
TupleOf = Annotated[tuple[Item, ...], Field(strict=False)]
"""Any number of values, given as a list too, as YAML and JSON have them."""
NonEmpty = Annotated[tuple[Item, ...], Field(strict=False, min_length=1)]
"""One value at least, likewise."""
Count = Annotated[int, Field(ge=1, lt=2**53)]
Natural = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _no_truth_value(given: Any) -> Any:
    if isinstance(given, bool):
        raise StudyError(f"{given} is not a number")
    return given


Number = Annotated[float, Field(strict=False, ge=-1e30, le=1e30), BeforeValidator(_no_truth_value)]
"""A number; YAML reads `2e-5` as text, which is converted."""
Positive = Annotated[Number, Field(gt=0)]


class Value(BaseModel):
    """A frozen, strictly typed description; an unknown key is rejected with the nearest known name."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            for key in given:
                if key not in cls.model_fields:
                    name = key[:80] if isinstance(key, str) else shown(key)
                    raise StudyError(f"`{name}` is not a key of {cls.__name__}; {nearest(name, cls.model_fields)}")
        return given

    @classmethod
    def parse(cls, given: Any, source: str) -> Self:
        """Validate `given`, which was read from `source` (a file name, for error messages).

        Raises:
            StudyError: one line for each mistake, with source and key.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise StudyError(explain(error, source)) from None

    def variant(self, changes: Mapping[str, Any]) -> Self:
        """The same description with some values changed, named by dotted keys, and validated again.

        `spec.variant({"window.method": "tail-only", "seed": 1})` is a neighbour of `spec` in a grid.

        Raises:
            StudyError: as `parse`.
        """
        return self.parse(changed(self, changes), "variant")


def changed(given: Mapping[str, Any] | Value, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `given` as plain data, with the values at dotted keys replaced; not validated.

    >>> changed({"a": {"b": 1, "c": 2}}, {"a.b": 3, "d.e": 4})
    {'a': {'b': 3, 'c': 2}, 'd': {'e': 4}}
    """
    copy = _plain(given)
    for key, value in changes.items():
        *path, last = key.split(".")
        place = copy
        for part in path:
            place = place.setdefault(part, {})
        place[last] = _plain(value)
    return copy


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value
