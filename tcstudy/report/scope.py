"""How large a study is, beside the paper's: what its verdicts are about."""

from collections.abc import Iterable

from tcstudy.experiments import Comparison
from tcstudy.report.encoders import heads_made_new
from tcstudy.report.tables import Notice
from tcstudy.study.encoders import EncoderRecord


def scope(here: Comparison, papers: Comparison, encoders: Iterable[EncoderRecord]) -> Notice:
    """What encoder, documents and training the numbers of a profile come from.

    Args:
        here: the profile's comparison of all methods.
        papers: that of the profile `paper`.
        encoders: what was further pre-trained for the profile's comparison, as far as it is made.
    """
    sizes, of_the_paper = _sizes(here), _sizes(papers)
    found = [
        f"{what} {size}" + (f" (the paper: {of_the_paper[what]})" if size != of_the_paper[what] else "")
        for what, size in sizes.items()
    ]
    if any(map(heads_made_new, encoders)):
        found.append("its heads for masked words and next sentences made new, as the encoder was published without")
    text = (
        f"{'; '.join(found)}. At another size an effect may be another; what it is at the paper's, "
        "the profile `paper` measures."
    )
    return Notice("note", "What the verdicts are about", text)


def _sizes(experiment: Comparison) -> dict[str, str]:
    pretraining, training = experiment.pretraining, experiment.training
    labelled = sorted({data.train for data in experiment.data if data.train})
    whole = ["all"] if any(data.train is None for data in experiment.data) else []
    return {
        "Encoder": f"`{experiment.encoder.name}`",
        "window": f"{experiment.window.length:,} wordpieces",
        "labelled documents of a set": " or ".join([*(f"{number:,}" for number in labelled), *whole]),
        "fine-tuning": f"{training.epochs} epochs at {training.learning_rate:g}",
        "further pre-training": (
            f"{pretraining.steps:,} steps on {pretraining.batch_size * pretraining.length:,} wordpieces each "
            f"at {pretraining.learning_rate:g}"
        ),
    }
