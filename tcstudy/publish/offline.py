"""A Sphinx extension: the pages ask nothing of the network, load little, and work on a narrow screen.

Drops what the theme would load from elsewhere, MathJax where there is no formula, the theme's script of some two
thousand icons, which its style sheet has as a font, too, and roles that are deprecated.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

ICONS = Path("_static", "scripts", "fontawesome.js")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_css_file("narrow.css")
    app.add_node(nodes.citation, override=True, html=(_visit_citation, _depart_citation))
    app.connect("html-page-context", _drop_scripts, priority=900)  # after the extensions that add them
    app.connect("build-finished", _empty_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    """An entry of the bibliography, without the roles that docutils gives it and that ARIA has given up."""
    self.body.append(self.starttag(node, "div", classes=[node.tagname]))


def _depart_citation(self: HTML5Translator, node: nodes.citation) -> None:
    self.body.append("</div>\n")


def _drop_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Thebe runs cells elsewhere; its settings stand in scripts without a file, and twice, which is an error."""
    unwanted = ["thebe"]
    if doctree is None or not any(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))):
        unwanted.append("mathjax")
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if "://" not in str(file.filename) and not any(word in _told(file) for word in unwanted)
        ]


def _told(file: Any) -> str:
    """The name of a script or style, and what stands in one without a file."""
    return f"{file.filename} {getattr(file, 'attributes', {}).get('body', '')}".lower()


def _empty_icons(app: Sphinx, failure: Exception | None) -> None:
    """Every page names the theme's script of icons, in a template that is not to be changed: it is left empty."""
    if failure is None and (path := Path(app.outdir) / ICONS).exists():
        path.write_text("// icons are in the style sheet\n", encoding="utf-8")
