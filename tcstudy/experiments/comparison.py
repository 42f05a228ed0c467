"""Table 6: features, fine-tuning and three kinds of further pre-training, beside a classifier without an encoder."""

from typing import Any, ClassVar

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.experiments.bag_of_words import BagOfWords
from tcstudy.experiments.base import PretrainingExperiment
from tcstudy.spec import DataSpec


class Comparison(BagOfWords, PretrainingExperiment):
    """Every way to use the encoder, and a bag of words."""

    page: ClassVar = "comparison"

    def variants(self, data: DataSpec, seed: int) -> dict[str, dict[str, Any]]:
        """What each variant changes in a run on `data` with `seed`.

        As in the paper, a data set that is alone in its language has no domain and nothing to cross to.
        """
        facts = dataset_facts(data.name)
        corpora = {"BERT-ITPT-FiT": (data.name,)}
        everything = self.sets(facts.language)
        if len(everything) > 1:
            corpora |= {"BERT-IDPT-FiT": self.sets(facts.language, facts.kind), "BERT-CDPT-FiT": everything}
        return super().variants(data, seed) | {
            name: {"encoder": self.pretrained_on(corpus, seed=seed)} for name, corpus in corpora.items()
        }
