"""Sentences computed from records, so that no number in the prose is typed by hand."""

import pandas as pd

from tcstudy.catalog.datasets import dataset_title
from tcstudy.report.cells import percent_range
from tcstudy.report.tables import Notice, escape_markdown, points


def lowest_errors(errors: pd.DataFrame, reference: str) -> Notice:
    """Which variant has the lowest mean error on each data set, and which differ significantly from the reference.

    Args:
        errors: as `stats.errors` gives them, compared with `reference`.
        reference: the variant that the others were compared with.
    """
    paragraphs = [_paragraph(name, cells, reference) for name, cells in errors.groupby("dataset", sort=False)]
    if (errors["runs"] == 1).all():
        paragraphs.append("These are runs of a single seed; another seed may give other errors.")
    return Notice("tip", "What these runs show", "\n\n".join(paragraphs))


def _paragraph(dataset: str, cells: pd.DataFrame, reference: str) -> str:
    title, reference = escape_markdown(dataset_title(dataset)), escape_markdown(reference)
    cells = cells.assign(variant=cells["variant"].map(escape_markdown))
    converged = cells.dropna(subset="mean").set_index("variant")
    if converged.empty:
        return f"{title}: no run converged."
    best = converged["mean"].idxmin()
    first = f"{title}: {best} has the lowest mean error, {percent_range(converged.loc[best])}"
    compared = converged[converged["p"].notna()]
    if reference not in converged.index or compared.empty:
        return f"{first}."
    if best != reference:
        first += f"; {reference} has {percent_range(converged.loc[reference])}"
    shown = compared[compared["differs"]]
    fewer, more = (shown[sign * shown["change"] > 0] for sign in (-1, 1))
    told = [
        f"Significantly {word} errors than {reference}: {_listed(group)}."
        for word, group in (("fewer", fewer), ("more", more))
        if len(group)
    ]
    if len(compared) > len(shown):
        told.append(f"No {'other ' if told else ''}difference from {reference} is significant.")
    return " ".join([f"{first}.", *told])


def _listed(cells: pd.DataFrame) -> str:
    return ", ".join(f"{variant} ({points(change)} points)" for variant, change in cells["change"].items())
