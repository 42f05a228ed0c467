"""A Sphinx extension: the pages ask nothing of the network. Drops what the theme would load from elsewhere."""

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("html-page-context", _drop_foreign_scripts, priority=900)  # after the extensions that add them
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _drop_foreign_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if "thebe" not in str(file.filename) and "://" not in str(file.filename)
        ]
