"""A Sphinx extension: the pages ask nothing of the network, load little, and work on a narrow screen.

Formulas are MathML, which browsers set themselves. What the theme would load from elsewhere is dropped, and its script
of some two thousand icons, which its style sheet has as a font, too, and roles that are deprecated.
"""

import re
from pathlib import Path
from typing import Any, Literal

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.locale import _
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

ICONS = Path("_static", "scripts", "fontawesome.js")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_css_file("narrow.css")
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_math_block, None))
    app.add_node(nodes.citation, override=True, html=(_visit_citation, _depart_citation))
    app.connect("html-page-context", _drop_scripts, priority=900)  # after the extensions that add them
    app.connect("doctree-resolved", _shorten_tables)
    app.connect("env-get-outdated", _indexed)
    app.connect("build-finished", _empty_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _mathml(formula: str, display: Literal["inline", "block"] = "inline") -> str:
    """A formula in TeX as MathML; one that would be a link is none, since a text in a record may bring it."""
    return re.sub(r' href="[^"]*"', "", convert(formula, display=display))


def _visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(_mathml(node.astext()))
    raise nodes.SkipNode


def _visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula on a line of its own, with its number where it has one."""
    self.body.append(self.starttag(node, "div", classes=["math"]))
    self.body.append(_mathml(node.astext(), display="block"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    """An entry of the bibliography, without the roles that docutils gives it and that ARIA has given up."""
    self.body.append(self.starttag(node, "div", classes=[node.tagname]))


def _depart_citation(self: HTML5Translator, node: nodes.citation) -> None:
    self.body.append("</div>\n")


def _drop_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Thebe runs cells elsewhere; its settings stand in scripts without a file, and twice, which is an error."""
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file for file in context.get(kind, []) if "://" not in str(file.filename) and "thebe" not in _told(file)
        ]


def _indexed(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """The pages with entries in the index, which are read again where any page is.

    Sphinx forgets the entries of pages that it does not write, and a search no longer finds them (sphinx issue 12599).
    """
    if not added | changed | removed:
        return []
    return [page for page, entries in env.get_domain("index").entries.items() if entries and page not in removed]


def _shorten_tables(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Leave out of cells what thousands of them repeat.

    That is the side that text is flush with anyway, a paragraph around a line, and the whole reference of a source in
    every row that names it, since the link leads to it.
    """
    for table in doctree.findall(nodes.table):
        for cell in table.findall(nodes.entry):
            cell["classes"] = [name for name in cell["classes"] if name != "text-left"]
            if len(cell.children) == 1 and isinstance(cell[0], nodes.paragraph):
                cell.children[:] = cell[0].children
        for link in table.findall(nodes.reference):
            link.attributes.pop("reftitle", None)


def _told(file: Any) -> str:
    """The name of a script or style, and what stands in one without a file."""
    return f"{file.filename} {getattr(file, 'attributes', {}).get('body', '')}".lower()


def _empty_icons(app: Sphinx, failure: Exception | None) -> None:
    """Every page names the theme's script of icons, in a template that is not to be changed: it is left empty."""
    if failure is None and (path := Path(app.outdir) / ICONS).exists():
        path.write_text("// icons are in the style sheet\n", encoding="utf-8")
