"""How large a study is, beside the paper's: what its verdicts are about."""

from collections.abc import Mapping

from tcstudy.experiments import Comparison
from tcstudy.experiments.base import Experiment, rate_text
from tcstudy.report.encoders import heads_made_new
from tcstudy.report.measured import PageRecords
from tcstudy.report.tables import Notice, escape_markdown
from tcstudy.study.encoders import encoders_behind


def scope(
    here: Mapping[str, Experiment], papers: Mapping[str, Experiment], pages: Mapping[str, PageRecords]
) -> Notice | None:
    """What encoder, documents and training the numbers of a profile come from; None if it lacks the comparison.

    Args:
        here: the profile's experiments, by page; told is what its comparison of all methods runs with.
        papers: those of the profile `paper`, none where the project does not have it.
        pages: records of the profile's pages.
    """
    name = Comparison.page
    if name not in here:
        return None
    sizes, of_the_paper = _sizes(here[name]), _sizes(papers[name]) if name in papers else {}
    found = [
        f"{what} {size}" + (f" (the paper: {of_the_paper[what]})" if size != of_the_paper.get(what, size) else "")
        for what, size in sizes.items()
    ]
    records = pages[name].records.values() if name in pages else ()
    if any(map(heads_made_new, encoders_behind(records).values())):
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
        "Encoder": escape_markdown(experiment.encoder.name),
        "window": f"{experiment.window.length:,} wordpieces",
        "labelled documents of a set": " or ".join([*(f"{number:,}" for number in labelled), *whole]),
        "fine-tuning": f"{training.epochs} epochs at {rate_text(training.learning_rate)}",
        "further pre-training": (
            f"{pretraining.steps:,} steps on {pretraining.batch_size * pretraining.length:,} wordpieces each "
            f"at {rate_text(pretraining.learning_rate)}"
        ),
    }
