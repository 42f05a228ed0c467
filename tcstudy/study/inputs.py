"""All that runs will read, checked before anything is trained: data sets, texts, encoders, and whether they fit."""

from collections.abc import Iterable, Iterator, Sequence

from tcstudy.catalog.datasets import absence
from tcstudy.errors import StudyError
from tcstudy.spec import AnyRun, EncoderSpec, MultitaskSpec, PretrainingSpec, RunSpec


def check_inputs(runs: Iterable[AnyRun]) -> None:
    """See that what `runs` read is there and fits. Data sets and encoders are loaded once each, and let go.

    Left out are runs on a data set that this machine cannot have at all, as `run_all` leaves them out.

    Raises:
        StudyError: a line for each mistake.
    """
    runs = [run for run in runs if not absence(run.data.name)]
    mistakes = dict.fromkeys([*_data_mistakes(runs), *_encoder_mistakes(runs)])
    if mistakes:
        raise StudyError("\n".join(mistakes))


def _data_mistakes(runs: Iterable[AnyRun]) -> Iterator[str]:
    from tcstudy.corpora.loading import load_corpus  # the libraries of training
    from tcstudy.corpora.text import load_general_text, load_text

    stages = dict.fromkeys(stage for run in runs if isinstance(run, RunSpec) for stage in run.encoder.stages)
    tasks = [task for stage in stages if isinstance(stage, MultitaskSpec) for task in stage.tasks]
    measured = [run.measures.general_text for run in runs if isinstance(run, RunSpec) and run.measures.general_text]
    wanted = [
        *((load_corpus, data) for data in dict.fromkeys([*(run.data for run in runs), *tasks])),
        *((load_text, stage) for stage in stages if isinstance(stage, PretrainingSpec)),
        *((load_general_text, text) for text in dict.fromkeys(measured)),
    ]
    broken: set[str] = set()  # a set that cannot be loaded is told once, not for each size that is drawn of it
    for load, spec in wanted:
        names = _names(spec)
        if not names & broken:
            try:
                load(spec)
            except StudyError as error:
                broken |= names
                yield str(error)


def _names(spec: object) -> set[str]:
    """The data sets that a description of documents or texts names."""
    if isinstance(spec, PretrainingSpec):
        return {*spec.recipe.excluding, *(text.name for text in spec.corpus)}
    return {spec.name}


def _encoder_mistakes(runs: Iterable[AnyRun]) -> Iterator[str]:
    by_encoder: dict[EncoderSpec, list[RunSpec]] = {}
    for run in runs:
        if isinstance(run, RunSpec):
            by_encoder.setdefault(run.encoder.published, []).append(run)
    for encoder, its_runs in by_encoder.items():
        try:
            _check_encoder(encoder, its_runs)
        except StudyError as error:
            yield str(error)


def _check_encoder(encoder: EncoderSpec, runs: Sequence[RunSpec]) -> None:
    """See that a published encoder and its tokenizer can be had, and that it has what `runs` ask of it.

    Raises:
        StudyError: it is not available, or lacks something.
    """
    from tcstudy.catalog.encoders import longest_input
    from tcstudy.encoding.tokens import load_vocabulary
    from tcstudy.models.encoder import load_encoder
    from tcstudy.models.pretraining import load_pretraining_model
    from tcstudy.training.pretrain import check_masking

    vocabulary = load_vocabulary(encoder)
    config = load_encoder(encoder, 0.0, any(run.features.pooler for run in runs)).body.config
    depth, longest = config.num_hidden_layers, longest_input(config.to_dict())
    for run in runs:
        run.check_encoder(run.encoder.layers or depth, longest)
    stages = [stage for run in runs for stage in run.encoder.stages]
    recipes = dict.fromkeys(stage.recipe for stage in stages if isinstance(stage, PretrainingSpec))
    measured = [run for run in runs if run.measures.general_text]
    if recipes or measured:
        heads = load_pretraining_model(encoder, 0.0)
        for recipe in recipes:
            check_masking(encoder, vocabulary, recipe, heads)
        new = [name for name in heads.made_new if "seq_relationship" not in name and "pooler" not in name]
        for run in measured:
            _check_measured(run, run.encoder.layers or depth, published_has_head=not new)


def _check_measured(run: RunSpec, depth: int, published_has_head: bool) -> None:
    """See that what a run forgets can be measured: as `training.forgetting` will want it, once training is over."""
    stages = run.encoder.stages
    has_head = isinstance(stages[-1], PretrainingSpec) if stages else published_has_head
    if not has_head:
        raise StudyError(
            f"measures.general_text: the encoder {run.encoder.name} has no MLM head; add a pre-training stage with "
            "frozen: true to give it one"
        )
    if run.features.layers and max(run.features.layers) < depth - 1:
        raise StudyError("measures.general_text: it needs all layers of the encoder, so remove features.layers")
