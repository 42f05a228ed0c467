"""Which pre-trained encoder is best at equal recipe and budget? Not in the paper, which has one of each size."""

from typing import ClassVar

from tcstudy.errors import StudyError
from tcstudy.experiments.base import RunKey
from tcstudy.experiments.base_rate import RateSearch, rate_name
from tcstudy.spec import EncoderSpec, FeatureSpec, RunSpec
from tcstudy.value import NonEmpty


class Encoders(RateSearch):
    """Plain fine-tuning of several encoders, each at every rate; what is compared are their best rates on validation.

    Attributes:
        others: the encoders beside `encoder`, which they are compared with.
        features: what the classifier reads of each encoder.
    """

    page: ClassVar = "encoders"

    others: NonEmpty[EncoderSpec]
    features: FeatureSpec = FeatureSpec()

    @property
    def titles(self) -> dict[EncoderSpec, str]:
        """How tables call each encoder: by the last part of its name, the layers kept and the stages it went through.

        Raises:
            StudyError: two encoders would be called alike.
        """
        titles: dict[EncoderSpec, str] = {}
        for encoder in (self.encoder, *self.others):
            title = encoder.name.rpartition("/")[2]
            title += "" if encoder.layers is None else f", {encoder.layers} layer{'s' if encoder.layers > 1 else ''}"
            title += ", further pre-trained" if encoder.stages else ""
            if title in titles.values():
                raise StudyError(f"others: two of the encoders are called '{title}', and must differ in name or layers")
            titles[encoder] = title
        return titles

    def runs(self) -> dict[RunKey, RunSpec]:
        """One run for each data set, encoder, rate and seed."""
        return self.grid(
            {
                f"{title}, {rate_name(rate)}": {
                    "encoder": encoder,
                    "features": self.features,
                    "training.learning_rate": rate,
                }
                for encoder, title in self.titles.items()
                for rate in self.learning_rates
            }
        )
