"""Hooks of MkDocs: documents of the repository become pages, and the list of algorithms fills itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = re.compile(r"<!-- all of (\w+\.md) -->")
LOADED = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc="?(https?://[^">\s]+)|<link[^>]*stylesheet[^>]*href="?(?:https?:)?//[^">\s]+"""
)
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "experiments": "experiments.md",
}
"""Documents and folders that a document of the repository links to, and the pages that take their place."""


def on_config(config: Any) -> Any:
    """List every algorithm in the navigation, in the order of the index."""
    listed = re.findall(r"^\| \[[^|]*\]\((\w+\.md)\)", (ROOT / "docs/algorithms/index.md").read_text("utf-8"), re.MULTILINE)
    _section(config.nav, "Algorithms").extend(f"algorithms/{page}" for page in listed)
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the document in where a page names one."""
    return INCLUDE.sub(lambda found: _document(found[1]), markdown)


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Refuse a page that would load something from the network."""
    loaded = LOADED.findall(output)
    if loaded:
        raise PluginError(f"{page.url} would load {', '.join(loaded)}.")
    return output


def _section(nav: list[Any], title: str) -> list[Any]:
    for entry in nav:
        for name, inside in entry.items() if isinstance(entry, dict) else ():
            if name == title:
                return inside  # type: ignore[no-any-return]
            if isinstance(inside, list):
                try:
                    return _section(inside, title)
                except LookupError:
                    continue
    raise LookupError(title)


def _document(name: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    text = text.replace("](docs/", "](")
    for target, page in PAGES.items():
        text = text.replace(f"]({target})", f"]({page})")
    # What has no page stays a word.
    return re.sub(r"\[([^\]]+)\]\((?:LICENSE|processing_scripts)\)", r"\1", text)
