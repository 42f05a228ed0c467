"""One encoder shared by several tasks, a private classifier for each (Sun et al. 2019, 4.3)."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import nn
from transformers import PreTrainedModel

from tcstudy.errors import StudyError
from tcstudy.models.classifier import TextClassifier
from tcstudy.settings import Settings
from tcstudy.spec import EncoderSpec, FeatureSpec

CLASSIFIERS = "classifiers.safetensors"
"""The file beside an encoder's weights that holds its tasks' classifiers."""


class MultitaskClassifier(nn.Module):
    """A classifier for each task on one encoder.

    Args:
        encoder: body of a BERT-like model.
        classes: number of classes of each task.
        method: a method of Table 2, for all tasks.
        dropout: probability before the linear layers.
        budget: padded tokens that go through the encoder at once.
        frozen: the encoder is not trained and drops nothing out.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        classes: Mapping[str, int],
        method: str,
        dropout: float,
        budget: int,
        frozen: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifiers = nn.ModuleDict(
            {
                task: TextClassifier(encoder, number, FeatureSpec(), method, dropout, budget, frozen)
                for task, number in classes.items()
            }
        )

    def save_classifiers(self, folder: Path) -> None:
        """Write what each task has for itself into `folder`, beside the encoder."""
        tensors = {
            f"{task}.{name}": tensor.detach().cpu().contiguous()
            for task, classifier in self.classifiers.items()
            for name, tensor in classifier.state_dict().items()
            if not name.startswith("encoder.")
        }
        safetensors.torch.save_file(tensors, folder / CLASSIFIERS)


def take_classifier(model: TextClassifier, encoder: EncoderSpec, task: str) -> bool:
    """Go on with the private classifier that `task` had in the encoder's multi-task stage, if it was one of its tasks.

    Returns:
        Whether there was one.

    Raises:
        StudyError: it reads something else than `model` does.
    """
    path = Settings.read().weights / encoder.id / CLASSIFIERS
    if not encoder.stages or not path.is_file():
        return False
    prefix = f"{task}."
    with safetensors.safe_open(path, framework="pt") as file:
        own = {n.removeprefix(prefix): file.get_tensor(n) for n in file.keys() if n.startswith(prefix)}  # noqa: SIM118
    if not own:
        return False
    expected = {name: tensor.shape for name, tensor in model.state_dict().items() if not name.startswith("encoder.")}
    if {name: tensor.shape for name, tensor in own.items()} != expected:
        raise StudyError(
            f"The classifier of {task} from the multi-task stage does not fit: use the stage's window.method, and the "
            "features at their default."
        )
    model.load_state_dict(own, strict=False)
    return True
