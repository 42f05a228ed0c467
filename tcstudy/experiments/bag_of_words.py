"""Two ways to use an encoder, beside a classifier that needs none."""

from typing import Any, ClassVar

from tcstudy.experiments.base import LanguagesExperiment, RunKey
from tcstudy.spec import AnyRun, BagOfWordsSpec, DataSpec, TrainingSpec

BAG_OF_WORDS = "TF-IDF + logistic regression"
FEATURES = "BERT-Feat"
PLAIN = "BERT-FiT"


class BagOfWords(LanguagesExperiment):
    """A bag of words, frozen features and fine-tuning.

    Attributes:
        feature_training: how the biLSTM on the frozen encoder of BERT-Feat is trained.
    """

    page: ClassVar = "bag_of_words"

    feature_training: TrainingSpec = TrainingSpec()

    def runs(self) -> dict[RunKey, AnyRun]:
        """One run for each data set, variant and seed."""
        return self.bags_of_words() | self.grid(self.variants)

    def bags_of_words(self) -> dict[RunKey, BagOfWordsSpec]:
        """The runs without an encoder."""
        return {
            RunKey(data.name, BAG_OF_WORDS, seed, self.drawn(data, seed).draw): BagOfWordsSpec(
                data=self.drawn(data, seed), seed=seed
            )
            for data in self.data
            for seed in self.seeds
        }

    def compared(self) -> dict[str, str]:
        """What each variant is compared with: plain fine-tuning."""
        variants = dict.fromkeys(key.variant for key in self.runs())
        return {name: PLAIN for name in variants if name != PLAIN}

    def variants(self, data: DataSpec, seed: int) -> dict[str, dict[str, Any]]:
        """What each variant changes in a run on `data` with `seed`."""
        features = {"training": self.feature_training, "training.frozen": True, "features.reader": "bilstm"}
        return {FEATURES: features, PLAIN: {}}
