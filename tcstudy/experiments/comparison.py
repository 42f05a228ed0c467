"""Table 6: features, fine-tuning and three kinds of further pre-training, beside a classifier without an encoder."""

from typing import Any, ClassVar

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.base import LanguagesExperiment, PretrainingExperiment, RunKey
from tcstudy.spec import AnyRun, BagOfWordsSpec, DataSpec, TrainingSpec, WindowSpec

BAG_OF_WORDS = "TF-IDF + logistic regression"
FEATURES = "BERT-Feat"
PLAIN = "BERT-FiT"


class Comparison(LanguagesExperiment, PretrainingExperiment):
    """Every way to use the encoder, and a bag of words.

    Attributes:
        window: what the encoder sees of a text in fine-tuning.
        feature_training: how the biLSTM on the frozen encoder of BERT-Feat is trained.
    """

    page: ClassVar = "comparison"

    window: WindowSpec = WindowSpec()
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
        """What each variant changes in a run on `data` with `seed`.

        As in the paper, a data set that is alone in its language has no domain and nothing to cross to.
        """
        facts = dataset_facts(data.name)
        plain = {"window": self.window}
        features = {"training": self.feature_training, "training.frozen": True, "features.reader": "bilstm"}
        corpora = {"BERT-ITPT-FiT": (data.name,)}
        everything = self.sets(facts.language)
        if len(everything) > 1:
            corpora |= {"BERT-IDPT-FiT": self.sets(facts.language, facts.kind), "BERT-CDPT-FiT": everything}
        pretrained = {
            name: plain | {"encoder": self.pretrained_on(corpus, seed=seed)} for name, corpus in corpora.items()
        }
        return {FEATURES: plain | features, PLAIN: plain} | pretrained
