"""The commands for your own texts: `apply`, `predict` and `compare`."""

import csv
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from tcstudy.errors import StudyError
from tcstudy.files import PARTIAL

if TYPE_CHECKING:
    from tcstudy.experiments.own_texts import OwnTexts
    from tcstudy.spec import EncoderSpec

ROWS_AT_ONCE = 500

TextOption = Annotated[list[str] | None, typer.Option("--text", help="Column of the texts; several are joined.")]


def apply(
    texts: Annotated[
        str, typer.Argument(help="CSV, TSV, JSON Lines or Parquet; a folder of these; a data set of the hub.")
    ],
    label: Annotated[str, typer.Option(help="Column of the labels.")],
    text: TextOption = None,
    unlabelled: Annotated[Path | None, typer.Option(help="File of more texts, for further pre-training.")] = None,
    encoder: Annotated[
        str, typer.Option(help="A name in the catalogue, a Hugging Face folder, or owner/name@commit on the hub.")
    ] = "minilm-l6-uncased",
    language: Annotated[str, typer.Option(help="ISO 639-1 code of the texts' language.")] = "en",
    revision: Annotated[str | None, typer.Option(help="Commit of a data set of the hub.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the report and the model.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer runs on at most 1,000 documents: minutes.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only describe the texts and estimate the cost.")] = False,
) -> None:
    """Compare classifiers on your own texts, show what they get wrong, and save the best one.

    A bag of words, a fine-tuned encoder, and an encoder that is first further pre-trained on the texts are each trained
    on several draws and tested on the same documents. Writes a report and a folder with the recommended model.
    """
    columns = tuple(text or ["text"])
    data: dict = {"path": texts, "text": columns, "label": label, "language": language}
    data |= {"revision": revision} if revision else {}
    if unlabelled:
        data["unlabelled"] = {"path": str(unlabelled), "text": columns, "language": language}
    folder = output or Path(f"{Path(texts).stem}_classifier")
    spec = _encoder(encoder)  # before what is slow to import
    from tcstudy.experiments.own_texts import OwnTexts
    from tcstudy.publish.own import keep_recommended, parameters_for, write_report
    from tcstudy.training.classifiers import check_place

    parameters = parameters_for(data, spec, quick)
    experiment = OwnTexts.parse(parameters, "parameters")
    check_place(folder / "model")
    _tell(experiment)
    if any((folder / "model").glob("*")):
        print(f"{'replaces:':11} the report and the model that are in {folder}", flush=True)
    if check:
        return
    report = write_report(parameters, folder)
    told = keep_recommended(experiment, folder / "model", columns)
    print(f"{told}\nreport: {os.path.relpath(report)}\nmodel:  {os.path.relpath(folder / 'model')}")


def _tell(experiment: "OwnTexts") -> None:
    """Print what was found, and what it will cost."""
    from tcstudy.corpora.loading import load_source
    from tcstudy.encoding.tokens import load_vocabulary
    from tcstudy.experiments.own_texts import FINE_TUNING
    from tcstudy.report.own_texts import found_in
    from tcstudy.study.encoders import encoder_store, is_made
    from tcstudy.study.plan import plan_pages, sort_runs
    from tcstudy.study.results import all_records
    from tcstudy.study.speed import choose_speeds, hours, speed_here
    from tcstudy.study.store import run_store

    source = load_source(experiment.documents.name)
    lengths = load_vocabulary(experiment.encoder).lengths(source.texts())
    for name, value in found_in(experiment, lengths).items():
        print(f"{name + ':':11} {value}")
    store, runs = run_store(), experiment.runs()
    records = all_records(store)
    last = experiment.final(FINE_TUNING).variant({"data.train": None, "seed": len(runs)})  # a run that is none of them
    pages = {experiment.page: runs.values(), "model": [last]}
    plans = plan_pages(sort_runs(pages, store.usable), is_made)
    speeds = choose_speeds(plans, [None] * len(plans), speed_here(records, all_records(encoder_store())))
    needed = sum(hours(plan, speed) for plan, speed in zip(plans, speeds, strict=True) if speed)
    minutes = max(1, round(60 * needed))
    told = f"{needed:.1f} hours" if needed >= 1 else f"{minutes} {'minute' if minutes == 1 else 'minutes'}"
    device = next(speed.device for speed in speeds if speed)
    where = "here" if device == "here" else f"on {device}; the first records will show how long it takes here"
    left = f"{len(plans[0].runs.new)} of {plans[0].runs.runs} runs still to be made"
    print(f"{'cost:':11} {left}, and the final model on all labels: about {told} {where}", flush=True)


def _encoder(given: str) -> "EncoderSpec":
    """An encoder as the command line names it.

    Raises:
        StudyError: there is no such encoder.
    """
    from tcstudy.spec import EncoderSpec

    folder = Path(given)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise StudyError(f"--encoder: the folder {folder} holds no config.json, so it is not one of an encoder.")
    if not folder.exists() and given.startswith((".", "/")):
        raise StudyError(f"--encoder: there is no folder {folder}.")
    if (folder / "config.json").is_file():
        os.environ["TCSTUDY_ENCODERS"] = str(folder.absolute().parent)
        return EncoderSpec.parse({"name": folder.absolute().name}, "--encoder")
    name, _, revision = given.partition("@")
    return EncoderSpec.parse({"name": name, **({"revision": revision} if revision else {})}, "--encoder")


def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a model made by `tcstudy apply`.")],
    texts: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet.")],
    text: TextOption = None,
    output: Annotated[Path | None, typer.Option(help="CSV file to write; the terminal by default.")] = None,
) -> None:
    """Predict the class of each text, with its probability: one line per row, for tables of any length."""
    from tcstudy.catalog.rows import joined_text, read_rows
    from tcstudy.training.classifiers import Classifier

    if output and output.exists() and texts.exists() and output.samefile(texts):
        raise StudyError(f"--output {output}: this is the table of the texts, which would be lost.")
    classifier = Classifier.open(model)
    rows = read_rows(texts, text or classifier.description.text)
    written = (joined_text(row, f"{texts}, row {number:,}") for number, row in enumerate(rows, start=1))
    some, done = list(itertools.islice(written, ROWS_AT_ONCE)), 0  # before anything is written: a column may be missing
    empty = 0
    with _opened(output) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "label", "probability"])
        while some:
            answers = iter(classifier([text for text in some if text]))
            for number, text in enumerate(some, start=done + 1):
                answer = next(answers) if text else None
                writer.writerow([number, answer["label"], f"{answer['score']:.6f}"] if answer else [number, "", ""])
            done, empty = done + len(some), empty + some.count("")
            some = list(itertools.islice(written, ROWS_AT_ONCE))
    if output:
        print(f"{done:,} rows: {output}", file=sys.stderr)
    if empty:
        print(f"{empty:,} of {done:,} rows have no text, and so no label", file=sys.stderr)


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """A file that gets its name once it is complete, or the terminal; pipes and devices are written to directly."""
    if output is None:
        yield sys.stdout
        return
    directly = output.exists() and not output.is_file() and not output.is_dir()
    whole = output if directly else output.resolve()  # what a link leads to
    partial = whole if directly else whole.with_name(f"{whole.name}{PARTIAL}")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        if not directly:
            os.replace(partial, whole)
    except OSError as error:
        raise StudyError(f"{output} cannot be written ({error.strerror or error}).") from None
    finally:
        if not directly:
            partial.unlink(missing_ok=True)


def compare(
    files: Annotated[list[Path], typer.Argument(help="Tables with the columns document, label, predicted and seed.")],
) -> None:
    """Compare predictions of any models on the same documents: errors, paired differences, intervals, p-values.

    Each table has one row per document and seed. All models need the same documents and the same, several seeds.
    """
    from rich.console import Console

    from tcstudy.report import predictions

    names = [path.stem for path in files]
    if len(set(names)) < len(names):
        names = [str(path) for path in files]
    if len(set(names)) < len(names):
        raise StudyError("The same file is given twice.")
    console = Console()
    for table in predictions.compared_tables(predictions.compare(dict(zip(names, files, strict=True)))):
        console.print(table)
