"""Whether a page can be made from what is recorded."""

from tcstudy.corpora.places import is_at_hand
from tcstudy.experiments.base import Experiment
from tcstudy.study.sets import set_spec, sets_store
from tcstudy.study.store import run_store


def what_is_missing(experiment: Experiment) -> str | None:
    """Why a page cannot be made without training or fetching, in words, or None."""
    runs, store = set(experiment.runs().values()), run_store()
    there = sum(map(store.usable, runs))
    if there < len(runs):
        unfit = sum(map(store.has, runs)) - there
        others = f", and {unfit:,} records were made with other texts than this machine has" if unfit else ""
        return f"{there:,} of its {len(runs):,} runs are recorded{others}"
    if away := [name for name in experiment.texts() if not (is_at_hand(name) or _is_kept(name, experiment))]:
        return f"{', '.join(away)} {'is' if len(away) == 1 else 'are'} not on this machine"
    return None


def _is_kept(name: str, experiment: Experiment) -> bool:
    """Whether what a page says of a data set is kept with the records."""
    spec = set_spec(name, experiment.encoder)
    return spec is not None and sets_store().usable(spec)
