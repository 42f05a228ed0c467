"""A Sphinx extension: the pages ask nothing of the network, and load little.

Drops what the theme would load from elsewhere, MathJax where there is no formula, and the theme's script of some two
thousand icons, which its style sheet has as a font, too.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ICONS = Path("_static", "scripts", "fontawesome.js")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("html-page-context", _drop_scripts, priority=900)  # after the extensions that add them
    app.connect("build-finished", _empty_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _drop_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    unwanted = ["thebe", "://"]
    if doctree is None or not any(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))):
        unwanted.append("mathjax")
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if not any(word in str(file.filename).lower() for word in unwanted)
            and not (file.filename is None and "MathJax" in file.attributes.get("body", "") and "mathjax" in unwanted)
        ]


def _empty_icons(app: Sphinx, failure: Exception | None) -> None:
    """Every page names the theme's script of icons, in a template that is not to be changed: it is left empty."""
    if failure is None and (path := Path(app.outdir) / ICONS).exists():
        path.write_text("// icons are in the style sheet\n", encoding="utf-8")
