"""Findings of checks as a table for a terminal."""

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from tcstudy.study.checks import Check

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def checks_table(checks: Iterable[Check]) -> Table:
    """One row for each finding; what it says is shown letter by letter."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(Text(check.state, STYLES[check.state]), Text(check.subject), Text(check.sentence))
    return table
