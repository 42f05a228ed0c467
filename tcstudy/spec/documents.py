"""Which documents a run reads, and how much of each its encoder sees."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.own import TextFiles, own_dataset
from tcstudy.errors import StudyError, nearest, shown
from tcstudy.spec.extensions import extensible
from tcstudy.value import Count, Natural, Value


def named(given: Any) -> Any:
    """The given documents; a user's own texts (`TextFiles`, which have `path`) become the name of their data set.

    Raises:
        StudyError: they cannot be read, or are no data set.
    """
    if not isinstance(given, Mapping) or "path" not in given:
        return given
    rest = {key: value for key, value in given.items() if key not in TextFiles.model_fields}
    if unknown := [key for key in rest if key not in DataSpec.model_fields and key not in TextSpec.model_fields]:
        known = {*TextFiles.model_fields, *DataSpec.model_fields} - {"name"}
        raise StudyError(f"{shown(unknown[0])} is not a key of your own texts; {nearest(str(unknown[0]), known)}")
    if "name" in rest:
        raise StudyError("`path` and `name` both say which texts to use: remove one of them")
    own = {key: value for key, value in given.items() if key in TextFiles.model_fields}
    return rest | {"name": own_dataset(TextFiles.parse(own, "texts")).name}


class DataSpec(Value):
    """Which documents: a data set and how many of its documents are drawn for each split.

    The validation split is taken from the training split, then `train` documents are drawn from the rest; both are
    stratified and seeded by `draw`. The test documents do not depend on `draw`, so runs of several draws are tested
    on the same documents. None means all; for `validation`, a tenth of the training split.

    `test_from_train` documents of the training split are added to the test documents, for a data set whose test split
    is too small to distinguish errors. They are the same for all draws, and no run trains on them or selects by them.

    Instead of `name`, `path` and the other keys of `catalog.own.TextFiles` can say where your own texts are. They are
    named after their content. `unlabelled` gives more texts for further pre-training, in the same way; its value is the
    name of a data set without classes.
    """

    name: str
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None
    draw: Natural = 0
    test_from_train: Natural = 0
    unlabelled: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_files(cls, given: Any) -> Any:
        return named(given)

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _more_texts(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        if unknown := [key for key in given if key != "name" and key not in TextFiles.model_fields]:
            raise StudyError(f"{shown(unknown[0])} is not a key of unlabelled texts, all of which are read")
        if not {"name", "path"} & {*given}:
            raise StudyError("`path` is needed: the file of the texts")
        return named(given)["name"]

    @model_validator(mode="after")
    def _exists(self) -> Self:
        facts = dataset_facts(self.name)
        if self.unlabelled is not None and dataset_facts(self.unlabelled).classes:
            raise StudyError(f"unlabelled: {self.unlabelled} has classes, so it is a task, not unlabelled text")
        if not facts.classes:
            hint = "; `label` names the column of the labels" if facts.kind == "own" else ""
            raise StudyError(f"{self.name} has no classes: it is text for pre-training, not a task{hint}")
        wanted = (self.train or 1) + (self.validation or 1)
        if wanted + self.test_from_train > facts.train:
            raise StudyError(
                f"train and validation ask for {wanted:,} documents"
                + (f" and test_from_train for {self.test_from_train:,}" if self.test_from_train else "")
                + f", {self.name} has {facts.train:,} to train on"
            )
        if (self.test or 1) > facts.test:
            raise StudyError(f"test asks for {self.test:,} documents, but {self.name} has {facts.test:,} to test on")
        return self


class TextSpec(Value):
    """Text without labels: the training texts of a data set, or `documents` of them drawn by the seed `draw`.

    The `test_from_train` training texts that runs are tested on (`DataSpec`) are none of them.
    """

    name: str
    documents: Count | None = None
    draw: Natural = 0
    test_from_train: Natural = 0

    @model_validator(mode="before")
    @classmethod
    def _of_files(cls, given: Any) -> Any:
        return named(given)

    @model_validator(mode="after")
    def _exists(self) -> Self:
        facts = dataset_facts(self.name)
        if (self.documents or 1) + self.test_from_train > facts.train:
            raise StudyError(
                f"documents asks for {self.documents or 1:,}"
                + (f" besides the {self.test_from_train:,} of test_from_train" if self.test_from_train else "")
                + f", {self.name} has {facts.train:,} to train on"
            )
        return self


Method = Literal[
    "head-only",
    "tail-only",
    "head+tail",
    "hierarchical mean",
    "hierarchical max",
    "hierarchical self-attention",
]
NamedMethod = Annotated[str, extensible("window", get_args(Method))]
"""A method of Table 2, or the user's own (`spec.extensions`)."""


class WindowSize(Value):
    """How much of a text an encoder sees at once.

    Attributes:
        length: wordpieces, the two special tokens included.
        head: for head+tail, wordpieces kept from the beginning; None keeps the paper's proportion, 128 of 512.
    """

    SPECIAL_TOKENS: ClassVar[int] = 2

    length: Annotated[int, Field(ge=8)] = 512
    head: Count | None = None

    @property
    def content(self) -> int:
        """Wordpieces of text in one window: its length without `[CLS]` and `[SEP]`."""
        return self.length - self.SPECIAL_TOKENS

    @property
    def head_content(self) -> int:
        """Wordpieces that head+tail keeps from the beginning."""
        return self.head if self.head is not None else self.length // 4

    @model_validator(mode="after")
    def _head_fits(self) -> Self:
        if self.head_content >= self.content:
            raise StudyError(
                f"head is {self.head}, longer than the window: of {self.length} wordpieces, {self.content} hold text, "
                f"so head can be at most {self.content - 1}"
            )
        return self


class WindowSpec(WindowSize):
    """How a text that is too long is encoded (Sun et al. 2019, 5.3.1): a window, and a method named as in Table 2."""

    method: NamedMethod = "head-only"

    @model_validator(mode="after")
    def _head_has_a_meaning(self) -> Self:
        if self.head is not None and self.method != "head+tail":
            raise StudyError(f"`head` applies only to the method head+tail, not to {self.method}")
        return self
