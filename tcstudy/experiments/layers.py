"""Table 3: which layers' `[CLS]` states should the classifier read?"""

from typing import Any, ClassVar, Literal

from tcstudy.catalog.encoders import encoder_facts
from tcstudy.errors import StudyError
from tcstudy.experiments.base import FineTuningExperiment, RunKey
from tcstudy.spec import RunSpec
from tcstudy.value import TupleOf

Group = Literal["first third", "last third", "all"]
Join = Literal["concat", "mean", "max"]

_PRINTED_GROUPS = {"first 4": "first third", "last 4": "last third", "all 12": "all"}


class Layers(FineTuningExperiment):
    """Every single layer, groups of layers joined, and the pooler.

    Attributes:
        groups: groups of layers: the first and the last third (four of twelve), all.
        joins: how the layers of a group are joined.
        pooler: whether BERT's pooler is one of the variants.
    """

    page: ClassVar = "layers"

    groups: TupleOf[Group] = ("first third", "last third", "all")
    joins: TupleOf[Join] = ("concat", "mean", "max")
    pooler: bool = True

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, variant and seed."""
        return self.grid(self.variants())

    def variants(self) -> dict[str, dict[str, Any]]:
        """The features of each variant, by its name in tables; the last layer is the spec's default."""
        depth = self.depth()
        singles = {f"layer {k} of {depth}": {"features.layers": (k,)} for k in range(depth - 1)}
        joined = {
            f"{group} {join}": {"features.layers": self.members(group), "features.join": join}
            for group in self.groups
            for join in self.joins
        }
        return (
            singles | {self.last_layer(): {}} | joined | ({"pooler": {"features.pooler": True}} if self.pooler else {})
        )

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: the last layer."""
        return {name: self.last_layer() for name in self.variants() if name != self.last_layer()}

    def last_layer(self) -> str:
        """The variant that reads the last layer."""
        return f"layer {self.depth() - 1} of {self.depth()}"

    def members(self, group: Group) -> tuple[int, ...]:
        """The layers of a group, counted from 0."""
        depth = self.depth()
        third = max(1, depth // 3)
        first = {"first third": 0, "last third": depth - third, "all": 0}[group]
        return tuple(range(first, first + (depth if group == "all" else third)))

    def depth(self) -> int:
        """Number of layers of the encoder.

        Raises:
            StudyError: it is one of the hub that the catalogue does not know.
        """
        facts = encoder_facts(self.encoder.name, self.encoder.revision)
        if facts is None:
            raise StudyError(
                f"encoder: how many layers {self.encoder.name} has is not known before it is fetched; "
                "put it into the folder that TCSTUDY_ENCODERS names"
            )
        return facts.layers

    def paper_variant(self, row: str) -> str:
        """What a row of the paper's Table 3, for the twelve layers of BERT-base, is called here.

        A single layer is called as the one of this encoder at the same share of the depth, where there is one.
        """
        for theirs, ours in _PRINTED_GROUPS.items():
            row = row.replace(theirs, ours)
        if not row.startswith("layer "):
            return row
        above, rest = divmod((int(row.removeprefix("layer ")) + 1) * self.depth(), 12)
        return f"{row} of 12" if rest else f"layer {above - 1} of {self.depth()}"
