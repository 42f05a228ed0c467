"""What all experiments share."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from tcstudy.catalog.datasets import DATASETS, dataset_facts
from tcstudy.catalog.profiles import NAME
from tcstudy.errors import StudyError, nearest, shown
from tcstudy.experiments.cell import given_in
from tcstudy.spec import (
    PROTOCOLS,
    AnyRun,
    DataSpec,
    EncoderSpec,
    NamedProtocol,
    PretrainingRecipe,
    PretrainingSpec,
    RunSpec,
    TextSpec,
    TrainingSpec,
    WindowSpec,
)
from tcstudy.value import Count, NonEmpty, Seed, Value, changed

Seeds = NonEmpty[Seed]
Variants = Mapping[str, Mapping[str, Any]]
"""What each variant changes in the common spec of an experiment's runs, by dotted keys."""

ENGLISH = "en"
MOST_RUNS = 50_000
"""Of one page: a mistake in its lists should not fill the memory with runs."""


def rate_text(rate: float) -> str:
    """A learning rate as all pages write it.

    >>> rate_text(2e-5), rate_text(0.000125)
    ('2e-5', '1.25e-4')
    """
    digits, exponent = f"{rate:e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


class RunKey(NamedTuple):
    """Where a run stands in its experiment's table; `draw` counts the samples of training documents."""

    dataset: str
    variant: str
    seed: int
    draw: int = 0

    def __str__(self) -> str:
        return f"{self.dataset}, {self.variant}, seed {self.seed}" + (f", draw {self.draw}" if self.draw else "")


class Experiment(Value):
    """The parameters of a page. A subclass declares them and says which runs they make.

    Attributes:
        page: name of the page, of its parameter files and of this module.
        profile: which set of parameter files this is, by default the folder's name; decides the notice at the top.
        encoder: the pre-trained encoder.
    """

    page: ClassVar[str]

    profile: str = "custom"
    encoder: EncoderSpec

    @classmethod
    def here(cls, names: Mapping[str, Any]) -> Self:
        """The experiment that a page's cells describe, those of papermill included: `LongTexts.here(globals())`.

        Args:
            names: the page's names. A parameter that is not there has its default; `page`, as parameter files have it,
                must be this one.

        Raises:
            StudyError: a line for each mistake, names of parameters that do not exist included.
        """
        # Libraries would warn in each notebook without widgets of progress bars that no page shows.
        warnings.filterwarnings("ignore", message="IProgress not found")
        given = given_in(names, cls.model_fields)
        if (page := given.pop("page", cls.page)) != cls.page:
            raise StudyError(f"these are parameters of the page {shown(page)}, and this is the page '{cls.page}'")
        return cls.parse(given, "parameters")

    def runs(self) -> Mapping[RunKey, AnyRun]:
        """The runs of the experiment; none for a page that trains nothing."""
        return {}

    def compared(self) -> Mapping[str, str]:
        """What the page's tables compare each variant with; empty where nothing is compared."""
        return {}

    def texts(self) -> tuple[str, ...]:
        """The data sets without whose texts the page cannot be made, even if all its runs are recorded."""
        return ()

    @field_validator("profile")
    @classmethod
    def _profile_is_a_name(cls, given: str) -> str:
        if not NAME.fullmatch(given):
            raise StudyError(f"{shown(given)} is no name of a profile: letters, digits, spaces and . _ + = - only")
        return given

    @model_validator(mode="after")
    def _runs_are_possible(self) -> Self:
        for name, values in self:
            for number, value in enumerate(values if isinstance(values, tuple) else ()):
                if value in values[:number]:
                    raise StudyError(f"{name}: {shown(value)} is given twice")
        at_most = math.prod(len(values) for _, values in self if isinstance(values, tuple))
        if at_most > MOST_RUNS:
            raise StudyError(f"the lists of this page together ask for up to {at_most:,} runs: {MOST_RUNS:,} at most")
        self.runs()
        return self


class FineTuningExperiment(Experiment):
    """An experiment that compares variants of one fine-tuning on some data sets with some seeds.

    Attributes:
        data: the data sets, or the one, and how many of their documents are drawn.
        training, protocol: how each model is trained.
        seeds: one run for each.
        draw: whether all runs have the training and validation documents of `data`, or the run of each seed has a draw
            of its own, so that differences between runs are those between training documents, too.
        window: what the encoder sees of a text in fine-tuning.
    """

    data: NonEmpty[DataSpec]
    training: TrainingSpec = TrainingSpec()
    protocol: NamedProtocol = PROTOCOLS["clean"]
    seeds: Seeds = (0,)
    draw: Literal["fixed", "seed"] = "fixed"
    window: WindowSpec = WindowSpec()

    @field_validator("data", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, Mapping) else given

    def grid(self, variants: Variants | Callable[[DataSpec, int], Variants]) -> dict[RunKey, RunSpec]:
        """One run for each data set, variant and seed.

        Args:
            variants: what each changes in the common spec; a function where that depends on the data set or the seed.

        Raises:
            StudyError: a run is not possible; names the run and the key.
        """
        runs: dict[str, dict[RunKey, RunSpec]] = {}
        for data in self.data:
            for seed in self.seeds:
                common = {
                    "data": self.drawn(data, seed),
                    "encoder": self.encoder_for(data.name),
                    "window": self.window,
                    "training": self.training,
                    "protocol": self.protocol,
                }
                for name, changes in (variants(data, seed) if callable(variants) else variants).items():
                    given = changed(common, {**changes, "seed": seed})
                    key = RunKey(data.name, name, seed, given["data"].get("draw", 0))
                    runs.setdefault(f"{data.name}/{name}", {})[key] = RunSpec.parse(given, f"run {key}")
        return {key: run for of_variant in runs.values() for key, run in of_variant.items()}

    def drawn(self, data: DataSpec, seed: int) -> DataSpec:
        """The documents of a data set for the run with `seed`; its unlabelled texts are read by the encoder alone."""
        draw = {"draw": seed} if self.draw == "seed" else {}
        return data.model_copy(update={"unlabelled": None} | draw) if draw or data.unlabelled else data

    def encoder_for(self, dataset: str) -> EncoderSpec:
        """The encoder that a data set is fine-tuned from where nothing else is said."""
        return self.encoder


class LanguagesExperiment(FineTuningExperiment):
    """An experiment whose data sets may be in other languages than `encoder`, which reads English.

    Attributes:
        other_languages: the encoder for each other language of the data sets, by ISO 639-1 code.
    """

    other_languages: dict[str, EncoderSpec] = Field(default_factory=dict)

    def encoder_for(self, dataset: str) -> EncoderSpec:
        """The published encoder of the data set's language.

        Raises:
            StudyError: there is none.
        """
        facts = dataset_facts(dataset)
        if facts.language == ENGLISH:
            return self.encoder
        if facts.language not in self.other_languages:
            raise StudyError(f"other_languages names no encoder for '{facts.language}', the language of {dataset}")
        return self.other_languages[facts.language]

    @field_validator("other_languages")
    @classmethod
    def _are_languages(cls, given: dict[str, EncoderSpec]) -> dict[str, EncoderSpec]:
        known = {facts.language for facts in DATASETS.values()} - {ENGLISH}
        for language in given:
            if language not in known:
                raise StudyError(f"no data set is in the other language '{language}'; {nearest(language, known)}")
        return given


class PretrainingExperiment(FineTuningExperiment):
    """An experiment in which encoders are further pre-trained on texts of the page's data sets.

    Attributes:
        pretraining: how.
        pretrainings: how many pre-trainings there are of each corpus, with seeds from the recipe's on: the runs take
            them in turn, so that differences between runs are those between pre-trainings, too.
    """

    pretraining: PretrainingRecipe = PretrainingRecipe()
    pretrainings: Count = 1

    def pretrained_on(
        self,
        texts: Iterable[str | TextSpec],
        encoder: EncoderSpec | None = None,
        recipe: PretrainingRecipe | None = None,
        seed: int | None = None,
    ) -> EncoderSpec:
        """The encoder further pre-trained on the training texts of some data sets, and their unlabelled ones.

        Test texts are kept out of the corpus: those of its own sets and of the page's, in its language, and of the
        recipe's `excluding`. So pages about the same sets share encoders.

        Args:
            texts: of one language; a data set by its name is without the rows that the page tests it on.
            encoder: what to begin with; the page's encoder of that language by default.
            recipe: how; the page's by default.
            seed: of the run that needs it; the page's seeds take its pre-trainings in turn. None is the first one.

        Raises:
            StudyError: the data sets are in several languages.
        """
        tested = {data.name: data.test_from_train for data in self.data}
        corpus = [
            TextSpec(name=text, test_from_train=tested.get(text, 0)) if isinstance(text, str) else text
            for text in texts
        ]
        names = tuple(text.name for text in corpus)
        recipe = self.pretraining if recipe is None else recipe
        languages = {dataset_facts(name).language for name in names}
        if len(languages) > 1:
            raise StudyError(f"one corpus cannot hold texts in several languages, but {', '.join(names)} are")
        everywhere = {*names, *recipe.excluding, *(data.name for data in self.data)}
        more = dict.fromkeys(data.unlabelled for data in self.data if data.name in names and data.unlabelled)
        excluding = tuple(sorted(name for name in everywhere if dataset_facts(name).language in languages))
        turn = 0 if seed is None else self.seeds.index(seed) % self.pretrainings
        stage = PretrainingSpec(
            corpus=(*corpus, *(TextSpec(name=name) for name in more)),
            recipe=recipe.model_copy(update={"excluding": excluding, "seed": recipe.seed + turn}),
        )
        return (self.encoder_for(names[0]) if encoder is None else encoder).after(stage)

    def sets(self, language: str = ENGLISH, kind: str | None = None) -> tuple[str, ...]:
        """Names of the page's data sets in a language; of one kind (sentiment, question, topic), or of all."""
        found = (dataset_facts(data.name) for data in self.data)
        return tuple(facts.name for facts in found if facts.language == language and kind in (None, facts.kind))
