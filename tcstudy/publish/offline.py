"""A Sphinx extension: the pages ask nothing of the network, and no script, role or width of the theme gets in the way.

Drops what the theme would load from elsewhere, roles that are deprecated, and adds the book's own style.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

STATIC = Path(__file__).with_name("static")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", lambda app: app.config.html_static_path.append(str(STATIC)))
    app.add_css_file("narrow.css")
    app.add_node(nodes.citation, override=True, html=(_visit_citation, _depart_citation))
    app.connect("html-page-context", _drop_foreign_scripts, priority=900)  # after the extensions that add them
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    """An entry of the bibliography, without the roles that docutils gives it and that ARIA has given up."""
    self.body.append(self.starttag(node, "div", classes=[node.tagname]))


def _depart_citation(self: HTML5Translator, node: nodes.citation) -> None:
    self.body.append("</div>\n")


def _drop_foreign_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Thebe runs cells elsewhere; its settings stand in scripts without a file, and twice, which is an error."""
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if "://" not in str(file.filename)
            and "thebe" not in f"{file.filename} {getattr(file, 'attributes', {}).get('body', '')}"
        ]
