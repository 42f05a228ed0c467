"""What is known of a run's documents: found where, checked against what, how many drawn."""

from tcstudy.value import TupleOf, Value


class SplitReport(Value):
    """A split as found: its rows, how many the official split has, its content digest and what is known of it."""

    rows: int
    official_rows: int
    digest: str
    copy_known_as: str


class DataReport(Value):
    """Where a run's documents came from and what was done to them; stored in its record.

    Attributes:
        origin: local folder, wheel or hub, with version or commit.
        train, test: the splits as found.
        repeated_in_train, repeated_in_test: rows whose text stands earlier in the same split; kept.
        removed_from_train: training rows whose text stands in the test split; never used.
        validation_texts_in_train: validation rows whose text the training documents hold too; kept, and counted.
        used_train, used_validation, used_test: documents drawn.
    """

    origin: str
    train: SplitReport
    test: SplitReport
    repeated_in_train: int
    repeated_in_test: int
    removed_from_train: int
    validation_texts_in_train: int
    used_train: int
    used_validation: int
    used_test: int


class TextsUsed(Value):
    """What a pre-training took of one data set.

    Attributes:
        name: of the set.
        origin: local folder, wheel or hub, with version or commit.
        found: its texts.
        removed: how many of them stand in the test split of which set; one text can stand in several.
        used: documents taken, those held out included.
        digest: of the content of the split that they are from; None in records made before it was kept, and where they
            are from several splits.
    """

    name: str
    origin: str
    found: int
    removed: dict[str, int]
    used: int
    digest: str | None = None


class TextReport(Value):
    """The text of a pre-training: what was taken of each set, and how many documents were held out."""

    sets: TupleOf[TextsUsed]
    held_out: int
