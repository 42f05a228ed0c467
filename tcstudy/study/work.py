"""How much one training has to compute: tokens and floating-point operations, from specs and facts alone.

Tokens are an upper bound in expectation: a window with room for w wordpieces sees min(L, w) of a text of L, and
E[min(L, w)] <= min(E[L], w) (Jensen), so the catalogue's mean lengths are enough. Operations are those of the
Transformer layers, of the projection to the vocabulary in MLM and of a biLSTM; all else is small beside them.
"""

import math
from dataclasses import dataclass, fields

from tcstudy.catalog.datasets import dataset_facts
from tcstudy.catalog.encoders import EncoderFacts
from tcstudy.catalog.limits import BILSTM_UNITS, MOST_PAIRS, held_out_of
from tcstudy.settings import MICRO_BATCH_TOKENS
from tcstudy.spec import (
    AnyRun,
    DataSpec,
    EncoderSpec,
    FeatureSpec,
    MultitaskSpec,
    PretrainingRecipe,
    PretrainingSpec,
    RunSpec,
    WindowSpec,
)

RECURRENT_STEP = 0.03
"""A biLSTM's step from one token to the next beside the kernels of a Transformer layer: one after the other, each
takes the time of a few launches (tens of microseconds both ways), however little it computes."""
LONGEST = 4
"""The longest text of a batch, in mean lengths; only the steps of a biLSTM depend on it."""


@dataclass(frozen=True)
class Work:
    """An amount of work; amounts add up.

    Attributes:
        updates: steps of an optimiser.
        training_tokens: tokens that an encoder is trained on.
        forward_tokens: tokens that go through an encoder forward only, to be predicted or because it is frozen.
        training_operations: floating-point operations of training, of an encoder or of what stands on a frozen one.
        forward_operations: floating-point operations on the tokens that go forward only.
        training_passes: micro-batches of a GPU times the layers that they go through, forward and backward; the
            kernels of a layer take some time to be launched, however little is in the micro-batch.
        forward_passes: the same of those that go forward only.
        updated_weights: weights times the updates that the optimiser makes of them.
        tokenised: wordpieces of texts that are read for the first time.
    """

    updates: int = 0
    training_tokens: int = 0
    forward_tokens: int = 0
    training_operations: int = 0
    forward_operations: int = 0
    training_passes: float = 0
    forward_passes: float = 0
    updated_weights: int = 0
    tokenised: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def operations(self) -> int:
        """All floating-point operations."""
        return self.training_operations + self.forward_operations


@dataclass(frozen=True)
class Body:
    """What is computed of an encoder: its layers, their width, and the tokens of a window.

    A layer has 12 width^2 weights, each of them a multiplication and an addition for a token, and two attention
    products over the window. The backward pass costs twice the forward pass.

    `embedded` are the weights of the embeddings; `recurrent` the steps that a biLSTM on the encoder takes for a batch.
    `head` is, of what stands on the encoder, the weights times the tokens that go through them.
    """

    layers: int
    width: int
    length: int
    embedded: int = 0
    recurrent: float = 0

    def forward(self, tokens: int) -> int:
        """Operations of `tokens` on their way forward."""
        return tokens * self.layers * (2 * 12 * self.width**2 + 4 * self.length * self.width)

    def train(self, updates: int, tokens: int, head: int = 0, frozen: bool = False) -> Work:
        """The work of training it, or only what stands on it, on `tokens`."""
        batches = updates * max(1, math.ceil(tokens / max(1, updates) / MICRO_BATCH_TOKENS))
        reader = batches * self.recurrent * RECURRENT_STEP
        if frozen:
            return Work(
                updates=updates,
                forward_tokens=tokens,
                training_operations=6 * head,
                forward_operations=self.forward(tokens),
                training_passes=reader,
                forward_passes=batches * self.layers,
            )
        return Work(
            updates=updates,
            training_tokens=tokens,
            training_operations=3 * self.forward(tokens) + 6 * head,
            training_passes=batches * self.layers + reader,
            updated_weights=updates * (self.embedded + 12 * self.layers * self.width**2),
        )

    def predict(self, tokens: int, head: int = 0) -> Work:
        """The work of predictions from `tokens`."""
        passes = math.ceil(tokens / MICRO_BATCH_TOKENS) * (self.layers + self.recurrent * RECURRENT_STEP)
        operations = self.forward(tokens) + 2 * head
        return Work(forward_tokens=tokens, forward_operations=operations, forward_passes=passes)


def embedding_weights(facts: EncoderFacts) -> int:
    """Weights of an encoder's embeddings, of wordpieces and positions."""
    return (facts.vocabulary + facts.max_length) * facts.width


def tokens_per_document(window: WindowSpec, wordpieces: float) -> float:
    """Tokens of a document that an encoder sees on average, at most, if texts have `wordpieces` on average.

    A truncation keeps what fits. The hierarchical methods keep all, with special tokens for each fraction, of which a
    text of L has at most L / content + 1.

    >>> tokens_per_document(WindowSpec(length=512), 11), tokens_per_document(WindowSpec(length=512), 737)
    (13, 512)
    >>> tokens_per_document(WindowSpec(length=12, method="hierarchical mean"), 25)
    32.0
    """
    if window.method.startswith("hierarchical"):
        return wordpieces + window.SPECIAL_TOKENS * (wordpieces / window.content + 1)
    return min(wordpieces, window.content) + window.SPECIAL_TOKENS


def document_tokens(data: DataSpec, window: WindowSpec) -> float:
    """Tokens of a document of `data` that an encoder sees on average, at most."""
    return tokens_per_document(window, dataset_facts(data.name).wordpieces)


def split_sizes(data: DataSpec) -> tuple[int, int, int]:
    """Training, validation and test documents, at most: which texts stand in two splits is not known without them."""
    facts = dataset_facts(data.name)
    validation = data.validation or max(1, facts.train // 10)
    left = facts.train - validation - data.test_from_train
    return data.train or left, validation, (data.test or facts.test) + data.test_from_train


def evaluations(epochs: int, steps_per_epoch: int, every: int | None) -> int:
    """How often the selection split is predicted: after each epoch and after each `every` updates.

    >>> evaluations(4, 10, None), evaluations(4, 10, 5), evaluations(4, 10, 15)
    (4, 8, 5)
    """
    if every is None:
        return epochs
    updates = epochs * steps_per_epoch
    return epochs + updates // every - updates // math.lcm(steps_per_epoch, every)


def run_work(run: RunSpec, facts: EncoderFacts) -> Work:
    """The work of a fine-tuning, its predictions and measures; `facts` are its encoder's, which is there already."""
    depth = run.encoder.layers or facts.layers
    read = run.features.layers or (depth - 1,)
    weights = reader_weights(run.features, facts.width)
    length = document_tokens(run.data, run.window)
    steps_of_reader = min(run.window.length, LONGEST * length) if weights else 0
    body = Body(max(read) + 1, facts.width, run.window.length, embedding_weights(facts), steps_of_reader)
    train, validation, test = split_sizes(run.data)
    epochs, steps = run.training.epochs, math.ceil(train / run.training.batch_size)
    selection = test if run.protocol.selection == "test" else validation
    trained = math.ceil(epochs * train * length)
    predicted = math.ceil((evaluations(epochs, steps, run.measures.every) * selection + test) * length)
    work = body.train(epochs * steps, trained, trained * weights, run.training.frozen)
    work += body.predict(predicted, predicted * weights)
    if text := run.measures.general_text:
        texts = dataset_facts(text.name)
        wordpieces = (text.documents or texts.test) * texts.wordpieces
        once = _measure_heads(run.encoder, facts, PretrainingRecipe(nsp=False), wordpieces)
        work += once + once  # before and after
    return work


def reader_weights(features: FeatureSpec, width: int) -> int:
    """Weights that each token goes through above the encoder: those of a biLSTM; a linear layer's are few."""
    if features.reader != "bilstm":  # of a reader of one's own nothing is known
        return 0
    joined = width * len(features.layers or (0,)) if features.join == "concat" else width
    return 2 * 4 * BILSTM_UNITS * (joined + BILSTM_UNITS)  # two directions, four gates


def pretraining_work(encoder: EncoderSpec, facts: EncoderFacts, done: int = 0) -> Work:
    """The work of the further pre-training that is an encoder's last stage, after `done` updates that were made before.

    `facts` are the published encoder's; the encoder before the stage is there already.
    """
    stage, recipe = encoder.stages[-1], encoder.stages[-1].recipe
    updates = stage.last_step - done
    body = Body(encoder.layers or facts.layers, facts.width, recipe.length, embedding_weights(facts))
    tokens = math.ceil(recipe.batch_size * pair_tokens(stage))  # of one update
    return body.train(updates, updates * tokens, updates * _projection(recipe, tokens, facts), recipe.frozen)


def pair_tokens(stage: PretrainingSpec) -> float:
    """Tokens of a pair at most, on average: its length, or where texts are short those of two and the special ones.

    >>> pair_tokens(PretrainingSpec.model_validate({"corpus": [{"name": "trec"}]}))
    25.0
    """
    sizes = [text.documents or dataset_facts(text.name).train for text in stage.corpus]
    lengths = [min(stage.recipe.length, 2 * dataset_facts(text.name).wordpieces + 3) for text in stage.corpus]
    return sum(size * length for size, length in zip(sizes, lengths, strict=True)) / sum(sizes)


def measuring_work(encoder: EncoderSpec, facts: EncoderFacts) -> Work:
    """The work of measuring a further pre-trained encoder's heads.

    They are measured on the documents held out of the corpus, and before and after the stage on those of each of its
    sets and of those that it is measured on besides.
    """
    stage = encoder.stages[-1]
    sizes = {text.name: text.documents or dataset_facts(text.name).train for text in stage.corpus}
    documents = sum(sizes.values())
    share = held_out_of(documents) / documents
    wordpieces = {name: share * size * dataset_facts(name).wordpieces for name, size in sizes.items()}
    together = sum(wordpieces.values())
    for text in stage.measured_on:
        there = dataset_facts(text.name)
        held_out = held_out_of(text.documents or (there.train if there.classes else there.test))
        wordpieces[text.name] = held_out * there.wordpieces
    often = [together, *wordpieces.values(), *wordpieces.values()]
    return sum((_measure_heads(encoder, facts, stage.recipe, each) for each in often), Work())


def multitask_work(encoder: EncoderSpec, facts: EncoderFacts) -> Work:
    """The work of the multi-task fine-tuning that is an encoder's last stage; `facts` are the published encoder's."""
    stage: MultitaskSpec = encoder.stages[-1]
    sizes = [split_sizes(task)[0] for task in stage.tasks]
    power = {"proportional": 1.0, "square root": 0.5, "uniform": 0.0}[stage.sampling]
    shares = [size**power for size in sizes]
    lengths = [document_tokens(task, stage.window) for task in stage.tasks]
    mean = sum(share * length for share, length in zip(shares, lengths, strict=True)) / sum(shares)
    training = stage.training
    updates = training.epochs * sum(math.ceil(size / training.batch_size) for size in sizes)
    body = Body(encoder.layers or facts.layers, facts.width, stage.window.length, embedding_weights(facts))
    return body.train(updates, math.ceil(updates * training.batch_size * mean), frozen=training.frozen)


def texts_read(run: AnyRun) -> set[str]:
    """The data sets whose texts a run reads, those of its encoder's stages included."""
    names = {run.data.name}
    if isinstance(run, RunSpec):
        names |= texts_of_stages(run.encoder)
        if run.measures.general_text:
            names.add(run.measures.general_text.name)
    return names


def texts_of_stages(encoder: EncoderSpec) -> set[str]:
    """The data sets whose texts are read while an encoder is made, those that are kept out of a corpus included."""
    names: set[str] = set()
    for stage in encoder.stages:
        texts = (*stage.corpus, *stage.measured_on) if isinstance(stage, PretrainingSpec) else stage.tasks
        names |= {text.name for text in texts}
        if isinstance(stage, PretrainingSpec) and stage.recipe.protocol.text == "train":
            names |= {*stage.recipe.excluding}
    return names


def tokenising_work(name: str) -> Work:
    """The work of making wordpieces of all texts of a data set."""
    facts = dataset_facts(name)
    return Work(tokenised=round((facts.train + facts.test) * facts.wordpieces))


def _projection(recipe: PretrainingRecipe, tokens: int, facts: EncoderFacts) -> int:
    """Weights times predicted tokens of MLM's projection to the vocabulary."""
    return math.ceil(recipe.masked * tokens) * facts.vocabulary * facts.width if recipe.mlm else 0


def _measure_heads(encoder: EncoderSpec, facts: EncoderFacts, recipe: PretrainingRecipe, wordpieces: float) -> Work:
    """Predict the masked ones of `wordpieces`, cut into pairs; under NSP half of a pair may be another text's."""
    body = Body(encoder.layers or facts.layers, facts.width, recipe.length)
    with_special = wordpieces * recipe.length / (recipe.length - 3)  # [CLS] and two [SEP]
    tokens = min(MOST_PAIRS * recipe.length, math.ceil(with_special * (2 if recipe.nsp else 1)))
    return body.predict(tokens, _projection(recipe, tokens, facts))
