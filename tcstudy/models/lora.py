"""Low-rank adapters in an encoder (LoRA, Hu et al. 2022), through the library `peft`."""

from transformers import PreTrainedModel

from tcstudy.errors import StudyError


def add_lora(encoder: PreTrainedModel, rank: int) -> None:
    """Put adapters of a rank beside all matrices of an encoder's layers; all else of it is frozen.

    The update of a matrix W is W + 2 B A, A with `rank` rows drawn at random and B zero at first, so that the encoder
    begins as it was. Scaling by two is the customary alpha of twice the rank.

    Raises:
        StudyError: `peft` is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise StudyError(
            "training.lora needs the library peft: pip install 'tcstudy[lora]', or in a clone make dev"
        ) from None
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    inject_adapter_in_model(config, encoder)
