"""How large a study is, beside the paper's: what its verdicts are about."""

from collections.abc import Mapping

from tcstudy.catalog.datasets import dataset_title
from tcstudy.catalog.profiles import PROFILES
from tcstudy.experiments import Comparison
from tcstudy.experiments.base import Experiment, rate_text
from tcstudy.report.measured import PageRecords
from tcstudy.report.provenance import heads_made_new
from tcstudy.report.stats import by_cell
from tcstudy.report.tables import Notice, Table, escape_markdown, from_to
from tcstudy.spec import RunSpec
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
        f"On the page that compares all methods: {'; '.join(found)}. Where a claim's page has other values, its row "
        "says so. At another size an effect may be another; what it is at the paper's, the profile `paper` measures."
    )
    return Notice("note", "What the verdicts are about", text)


def in_numbers(pages: Mapping[str, PageRecords]) -> str:
    """The scale of the records of some pages in one sentence: runs, encoders, windows, labels, seeds and data sets."""
    records = {record.id: record for page in pages.values() for record in page.records.values()}
    runs = [record for record in records.values() if isinstance(record.spec, RunSpec)]
    if not runs:
        return "No run of this profile is recorded yet."
    tables = [page.table for page in pages.values() if "encoder.layers" in page.table]
    layers = {
        name: int(depth)
        for table in tables
        for name, depth in zip(table["encoder.name"], table["encoder.published_layers"], strict=True)
        if depth == depth
    }
    cut = {run.spec.encoder.name for run in runs if run.spec.encoder.layers}
    names = dict.fromkeys(run.spec.encoder.name for run in runs)
    encoders = " and ".join(
        escape_markdown(name) + (f" ({'up to ' * (name in cut)}{layers[name]} layers)" if name in layers else "")
        for name in names
    )
    repeats = [len(cell) for page in pages.values() for cell in by_cell(page.records).values() if len(cell) > 1]
    sets = [dataset_title(name) for name in dict.fromkeys(run.spec.data.name for run in runs)]
    return (
        f"{len(runs):,} runs of {encoders}, with windows of {from_to(run.spec.window.length for run in runs)} "
        f"wordpieces, {from_to(run.data.used_train for run in runs)} labelled documents and "
        f"{from_to(repeats or [1])} runs of each variant, on {len(sets)} data sets ({', '.join(sets)})."
    )


def profiles(comparisons: Mapping[str, Experiment], name: str) -> Table:
    """The study's profiles: at which size their comparison of all methods runs, and what their numbers can carry.

    Args:
        comparisons: the experiment `Comparison` of each profile that has one.
        name: target of cross-references.
    """
    rows = []
    for profile, experiment in comparisons.items():
        facts = PROFILES[profile]
        machine = f"a GPU ({facts.gpu})" if facts.gpu else "any"
        decides = "decide claims" if facts.decides else "show that everything runs"
        sizes = [*_sizes(experiment).values()][1:]
        rows.append([profile, experiment.encoder.name, *sizes, machine, decides])
    head = (
        "profile",
        "encoder",
        "window",
        "labels of a set",
        "fine-tuning",
        "further pre-training",
        "machine",
        "records",
    )
    return Table(head, rows, "The profiles, by their comparison of all methods", name)


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
            f"{pretraining.steps:,} steps on up to {pretraining.batch_size * pretraining.length:,} wordpieces each "
            f"at {rate_text(pretraining.learning_rate)}"
        ),
    }
