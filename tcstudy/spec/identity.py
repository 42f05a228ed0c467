"""Identity: the hash of a description."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from tcstudy.value import Value

SEMANTICS = 1


class Identified(Value):
    """A description that is found by the hash of what it says.

    `SEMANTICS` is part of the hash and is raised by hand when the same description comes to mean another computation.
    """

    @property
    def canonical(self) -> str:
        """The description as JSON, keys sorted, values at their default left out."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":"))

    @cached_property
    def id(self) -> str:
        """The identity: 16 hexadecimal digits of the SHA-256 of semantics number and canonical JSON."""
        return hashlib.sha256(f"{SEMANTICS}:{self.canonical}".encode()).hexdigest()[:16]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, as pydantic makes it, that does not take along the identity of what it was copied from."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("id", None)
        return copy
