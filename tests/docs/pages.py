"""The documents as text: where they are, and the parts of them that tests read."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"


def pages() -> list[Path]:
    """Every document that people read."""
    return [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def fenced(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks with exactly this info string."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(text: str) -> list[str]:
    """The text of every heading, without code marks."""
    return [line.lstrip("#").strip().replace("`", "") for line in prose(text).splitlines() if line.startswith("#")]


def anchors(text: str) -> set[str]:
    """The fragments that headings make."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)}


def link_targets(text: str) -> list[str]:
    """Where the links of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))
