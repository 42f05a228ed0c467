"""The parameters that a notebook's cells define, those that papermill injected among them."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

INJECTED = "# Parameters"
"""How the cell begins in which papermill puts the parameters that it is given."""


def assigned(cell: str) -> list[str] | None:
    r"""The names that a cell assigns to, in its order; None if it does anything else.

    >>> assigned("# Parameters\nseeds = [0]\nx: int = 1")
    ['seeds', 'x']
    >>> assigned("print(1)") is None
    True
    """
    try:
        statements = ast.parse(cell).body
    except SyntaxError:  # a magic, for example
        return None
    names = []
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or not all(isinstance(t, ast.Name) for t in targets):
            return None
        names += [target.id for target in targets]
    return names


def parameter_names(history: Sequence[str], known: Iterable[str]) -> list[str]:
    """The names that the latest parameters were given under, misspelt ones included.

    Parameters are in the latest cell that does nothing but assign, one of the `known` names among others, and in those
    like it just before; what papermill injected is one of them whatever its names are. Elsewhere a name with an
    underscore before it is private to the cell. `history` has the cells that were executed, in their order.
    """
    known, found = set(known), []
    for cell in reversed(history):
        names, injected = assigned(cell), cell.startswith(INJECTED)
        if names and (injected or known.intersection(names)):
            found.append([name for name in names if injected or not name.startswith("_")])
        elif found:
            break
    return list(dict.fromkeys(name for names in reversed(found) for name in names))


def given_in(names: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The values of the `known` parameters among the names of a notebook, and of those that were misspelt.

    `names` are the notebook's `globals()`; its history is what IPython calls `In`.
    """
    known = list(known)
    history = names.get("In", ())
    found = {name: names[name] for name in known if name in names}
    extra = [name for name in parameter_names(history, known) if name in names]
    return found | {name: names[name] for name in extra}
