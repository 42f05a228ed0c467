"""A Sphinx extension: pages are found by search and shown well where they are linked.

The search index has the prose of the published pages: code would answer every word, and one's own run has the same
pages once more. Each page tells in its head what it is about, with a picture of the book.
"""

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from tcstudy.publish.parts import OWN

PICTURE = "social.png"
"""The file of the picture in the book's static folder, 1200 by 630 pixels."""
LONGEST = 200
"""Characters of a description: what search engines show of it."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", _index_prose)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _index_prose(app: Sphinx) -> None:
    """Let the builder index published pages only, without their code."""
    index_page = getattr(app.builder, "index_page", None)
    if index_page is None:  # a builder without search
        return

    def index_prose(page: str, doctree: nodes.document, title: str) -> None:
        if f"/{OWN}/" in f"/{page}":
            return
        prose = doctree.deepcopy()
        for block in list(prose.findall(nodes.literal_block)):
            block.parent.remove(block)
        index_page(page, prose, title)

    app.builder.index_page = index_prose


def _describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    tags = _tags(app, context.get("title", ""), page, description(doctree) if doctree is not None else "")
    context["metatags"] = "\n".join([context.get("metatags", ""), *tags])


def _tags(app: Sphinx, title: str, page: str, about: str) -> Iterator[str]:
    base = app.config.html_baseurl
    up = "../" * page.count("/")
    pairs = {
        ("property", "og:type"): "article",
        ("property", "og:site_name"): app.config.html_title or app.config.project,
        ("property", "og:title"): html.unescape(re.sub("<[^>]*>", "", title)) or app.config.project,
        ("property", "og:image"): f"{base or up}_static/{PICTURE}",
        ("property", "og:image:alt"): app.config.html_title or app.config.project,
        ("name", "twitter:card"): "summary_large_image",
    }
    if about:
        pairs |= {("name", "description"): about, ("property", "og:description"): about}
    if base:
        pairs["property", "og:url"] = f"{base}{page}.html"
    for (kind, name), value in pairs.items():
        yield f'<meta {kind}="{name}" content="{html.escape(value)}">'


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page that stands in no box, cut after a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section):
            continue
        text = " ".join(paragraph.astext().split())
        return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(' ')[0]} …"
    return ""


def _draw(app: Sphinx, failure: Exception | None) -> None:
    """The picture that is shown beside a link: the book's title, and what it is."""
    folder = Path(app.outdir) / "_static"
    if failure is not None or not folder.is_dir():
        return
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="#0b3c5d")
    title = app.config.html_title or app.config.project
    figure.text(0.06, 0.62, title, size=40, color="white", weight="bold", wrap=True, va="center")
    below = "Every number with its interval, every run recorded, every page a notebook"
    figure.text(0.06, 0.2, below, size=22, color="#d9e6f2", wrap=True)
    partial = folder / f".{PICTURE}"
    figure.savefig(partial, format="png")
    os.replace(partial, folder / PICTURE)
