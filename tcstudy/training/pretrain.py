"""Further pre-training: MLM and NSP together on unlabelled text (Sun et al. 2019, 4.2 and 5.4)."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate.utils import set_seed
from torch.nn.functional import cross_entropy
from transformers.utils.logging import disable_progress_bar

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.limits import MOST_PAIRS
from tcstudy.corpora.text import Part, Text, Texts, load_text
from tcstudy.encoding.pretraining import (
    UNKNOWN,
    MaskedPair,
    PairStream,
    Position,
    PretrainingBatch,
    Sentences,
    collate_pairs,
)
from tcstudy.encoding.tokens import Vocabulary, load_vocabulary, save_tokenizer
from tcstudy.errors import StudyError
from tcstudy.models.encoder import weights_digest
from tcstudy.models.pretraining import PretrainingModel, load_pretraining_model
from tcstudy.spec import PROTOCOLS, EncoderSpec, PretrainingRecipe
from tcstudy.training.checkpoint import Checkpoint, StateFile
from tcstudy.training.counts import NeighbourCounts
from tcstudy.training.devices import device_name, make_accelerator, peak_memory, reset_peak_memory
from tcstudy.training.engine import Engine
from tcstudy.training.loop import Diverged, fit, shown
from tcstudy.training.optim import make_optimizer
from tcstudy.training.outcome import FilledMask, HeadQuality, StageOutcome, TextHeads

EXAMPLES, GUESSES, AROUND = 8, 3, 12
"""Masked words that are kept as examples, guesses of each, and wordpieces on either side of it."""


def pretrain(spec: EncoderSpec, folder: Path, state: Path) -> StageOutcome:
    """Make the encoder of `spec`, whose last stage is a further pre-training, out of the one before it.

    It is left in `folder`, a Hugging Face folder with heads and tokenizer. If `state`, the file of the training's
    state, holds an earlier update of the same pre-training, that is continued. The caller removes the file, from which
    a later stop of the same pre-training continues.

    Raises:
        StudyError: text or encoder is not available, the encoder has no mask, or the loss is no longer finite.
    """
    stage, recipe = spec.stages[-1], spec.stages[-1].recipe
    accelerator, vocabulary = make_accelerator(), load_vocabulary(spec)
    text = load_text(stage)
    set_seed(recipe.seed)
    model = load_pretraining_model(spec.before, recipe.dropout, recipe.frozen)
    check_masking(spec, vocabulary, recipe, model)
    digest = weights_digest(model.encoder)
    device, processes = device_name(accelerator), accelerator.num_processes
    outcome = StageOutcome(digest, model.made_new, device, processes, text=text.report)
    documents = Sentences.read(text.train, text.language, vocabulary)
    if recipe.new_heads == "word frequencies" and recipe.mlm:
        model.begin_at(documents.frequencies(vocabulary.size))
    model.to(accelerator.device)
    engine = Engine.of(model.encoder, vocabulary.pad, accelerator)
    with outcome.evaluating():
        before = [measure_heads(model, part.held_out, text.language, vocabulary, recipe, engine) for part in text.parts]
    optimizer, schedule = make_optimizer(model, recipe, PROTOCOLS["clean"], recipe.steps)
    set_seed(recipe.seed + accelerator.process_index)  # processes start from equal weights and drop out differently
    checkpoint = Checkpoint(StateFile(state, digest), model, optimizer, schedule, accelerator)
    done, position = _go_on(checkpoint, outcome, stage.last_step)

    reset_peak_memory(accelerator)
    stream = PairStream(documents, vocabulary, recipe, recipe.nsp and model.has_nsp)
    outcome.begin()
    pairs, positions = itertools.tee(itertools.islice(stream.batches(position), stage.last_step - done))
    batches = (engine.pair_batches(batch) for batch, _ in pairs)
    behind = (place for _, place in positions)
    try:
        steps = fit(model, batches, heads_part, optimizer, schedule, accelerator, recipe.clip_norm, done=done)
        for step in shown(steps, stage.last_step, "further pre-training", done):
            position = next(behind)
            outcome.count(step)
            last = step.number == stage.last_step
            if checkpoint.due or (last and step.number < recipe.steps):
                outcome.take_time()
                checkpoint.save(step.number, outcome.counters() | {"position": list(position)})
    except Diverged as diverged:
        raise StudyError(f"Pre-training diverged at step {diverged.step}: a lower learning_rate is needed.") from None
    checkpoint.wait()
    outcome.take_time()
    with outcome.evaluating():
        outcome.measured = measure_heads(model, text.held_out, text.language, vocabulary, recipe, engine)
        if recipe.mlm:
            outcome.texts = tuple(
                _beside_counts(part, was, outcome.tokens, model, text, vocabulary, recipe, engine)
                for part, was in zip(text.parts, before, strict=True)
                if was.words  # a small set beside a large one may have no text among those that are held out
            )
    outcome.count_memory(peak_memory(accelerator))
    if accelerator.is_main_process:
        disable_progress_bar()
        model.model.save_pretrained(folder)
        save_tokenizer(spec, folder)
    return outcome


def check_masking(
    spec: EncoderSpec, vocabulary: Vocabulary, recipe: PretrainingRecipe, model: PretrainingModel
) -> None:
    """Refuse what cannot be trained.

    Raises:
        StudyError: the tokenizer has no mask, or nothing is left to train since the family has no NSP.
    """
    if recipe.mlm and vocabulary.mask is None:
        raise StudyError(f"The tokenizer of {spec.name} has no mask token, so MLM cannot be trained: set mlm to false.")
    if not recipe.mlm and not model.has_nsp:
        raise StudyError(f"The family of {spec.name} has no NSP, so mlm cannot be false.")


def heads_part(
    model: PretrainingModel, micro_batch: PretrainingBatch, batch: Sequence[PretrainingBatch]
) -> torch.Tensor:
    """A micro-batch's part of its batch's loss: mean over predicted words of MLM plus mean over pairs of NSP."""
    scores = model(micro_batch)
    words = sum(part.targets.numel() for part in batch)
    loss = cross_entropy(scores.words, micro_batch.targets, reduction="sum") / max(words, 1)
    if scores.follows is not None:
        pairs = sum(int((part.labels != UNKNOWN).sum()) for part in batch)
        follows = cross_entropy(scores.follows, micro_batch.labels, ignore_index=UNKNOWN, reduction="sum")
        loss = loss + follows / max(pairs, 1)
    return loss


@torch.inference_mode()
def measure_heads(
    model: PretrainingModel,
    held_out: Texts,
    language: str,
    vocabulary: Vocabulary,
    recipe: PretrainingRecipe,
    engine: Engine,
) -> HeadQuality:
    """The heads on held-out documents, masked and paired by `recipe`, the same for every update."""
    model.eval()
    sums = torch.zeros(6, dtype=torch.float64)
    for batch in engine.pair_batches(_measured_pairs(model, held_out, language, vocabulary, recipe)):
        batch = batch.to(engine.accelerator.device)
        scores = model(batch)
        sums[:3] += _score(scores.words, batch.targets)
        if scores.follows is not None:
            known = batch.labels != UNKNOWN
            sums[3:] += _score(scores.follows[known], batch.labels[known])
    word_loss, right_words, words, pair_loss, right_pairs, pairs = sums.tolist()
    return HeadQuality(
        mlm_loss=word_loss / words if words else None,
        mlm_accuracy=right_words / words if words else None,
        words=int(words),
        nsp_loss=pair_loss / pairs if pairs else None,
        nsp_accuracy=right_pairs / pairs if pairs else None,
        pairs=int(pairs),
    )


def _measured_pairs(
    model: PretrainingModel, held_out: Texts, language: str, vocabulary: Vocabulary, recipe: PretrainingRecipe
) -> list[MaskedPair]:
    documents = Sentences.read(held_out, language, vocabulary)
    return PairStream(documents, vocabulary, recipe, recipe.nsp and model.has_nsp).once(MOST_PAIRS)


def _beside_counts(
    part: Part,
    before: HeadQuality,
    tokens: int,
    model: PretrainingModel,
    text: Text,
    vocabulary: Vocabulary,
    recipe: PretrainingRecipe,
    engine: Engine,
) -> TextHeads:
    """The heads on one set's held-out text at the end of a stage that read `tokens`, beside counts of as many."""
    pairs = _measured_pairs(model, part.held_out, text.language, vocabulary, recipe)
    counts = NeighbourCounts.of(vocabulary.stream(part.counted), vocabulary.size, tokens)
    unigram, bigram = counts.losses(pairs)
    return TextHeads(
        name=part.name,
        before=before,
        after=measure_heads(model, part.held_out, text.language, vocabulary, recipe, engine),
        unigram=unigram,
        bigram=bigram,
        counted=counts.counted,
        examples=_filled(model, pairs, vocabulary, engine) if dataset_facts(part.name).quotable else (),
    )


@torch.inference_mode()
def _filled(
    model: PretrainingModel, pairs: Sequence[MaskedPair], vocabulary: Vocabulary, engine: Engine
) -> tuple[FilledMask, ...]:
    """One masked word of each of some pairs, spread over all, with the words around it."""
    device, tokenizer, examples = engine.accelerator.device, vocabulary.tokenizer, []
    for pair in pairs[:: max(1, len(pairs) // EXAMPLES)][:EXAMPLES]:
        number = next((n for n, place in enumerate(pair.positions) if pair.ids[place] == vocabulary.mask), None)
        if number is None:
            continue
        place = pair.positions[number]
        scores = model(collate_pairs([pair], vocabulary.pad).to(device)).words[number].float().softmax(dim=-1)
        probabilities, guesses = scores.topk(GUESSES)
        start = max(1, place - AROUND)
        examples.append(
            FilledMask(
                before=tokenizer.decode(pair.ids[start:place], skip_special_tokens=False),
                word=tokenizer.id_to_token(pair.targets[number]),
                after=tokenizer.decode(pair.ids[place + 1 : place + 1 + AROUND], skip_special_tokens=False),
                guesses=tuple(tokenizer.id_to_token(guess) for guess in guesses.tolist()),
                probabilities=tuple(round(share, 4) for share in probabilities.tolist()),
            )
        )
    return tuple(examples)


def _score(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy, number of right answers, number of answers."""
    right = (logits.argmax(dim=-1) == targets).sum()
    loss = cross_entropy(logits.float(), targets, reduction="sum")
    return torch.tensor([loss.item(), right.item(), targets.numel()], dtype=torch.float64)


def _go_on(checkpoint: Checkpoint, outcome: StageOutcome, last_step: int) -> tuple[int, Position]:
    """The update and the position to go on from; a state behind the wanted update is of no use."""
    saved = checkpoint.restore() if checkpoint.step() <= last_step else None
    if saved is None:
        return 0, Position()
    outcome.go_on(saved.counters)
    return saved.step, Position(*saved.counters["position"])
