"""Versions as entity tags, and preconditions on them (RFC 7644 §3.14)."""

import re
from typing import Final

_TAG: Final = r'(?:W/)?("[^"]*"|[^",\s]+)'
_TAGS: Final = re.compile(rf"\s*{_TAG}\s*(?:,\s*{_TAG}\s*)*")
"""A list of entity tags; some clients leave out the quotes."""


def entity_tag(version: int) -> str:
    """The ETag of a version; `meta.version` is the same string (RFC 7643 §3.1)."""
    return f'W/"{version}"'


def matches_tag(header: str, version: int | None) -> bool:
    """Whether an `If-Match` or `If-None-Match` header names the version; None stands for no resource.

    `*` matches any version. Tags are compared weakly: HTTP has `If-Match` compare strongly, so that a weak tag would
    never match, yet SCIM's own examples send weak ones and expect success (RFC 7644 §3.14).
    """
    if version is None:
        return False
    if header.strip() == "*":
        return True
    if _TAGS.fullmatch(header) is None:
        return False
    return any(tag.strip('"') == str(version) for tag in re.findall(_TAG, header))
