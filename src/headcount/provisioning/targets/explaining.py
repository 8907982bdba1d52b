"""What a refusal says, whatever its form: a SCIM error, other JSON, HTML, bare text. Bounded, without secrets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from http import HTTPStatus
from typing import Final

import orjson

from headcount.scim.schemas import Json

MOST_CHARACTERS: Final = 300
"""Of what a target says, as it is repeated in a reason."""
_LOOKED_AT: Final = 20_000
"""Bytes of an answer that are searched for words."""
_LONGEST_WAIT: Final = 7 * 24 * 3600.0
"""Seconds; a longer `Retry-After` is taken for this one."""

_TEXT_KEYS: Final = ("detail", "error_description", "message", "description", "error", "title", "reason")
"""Where APIs put their words, the best first (RFC 7644 §3.12, RFC 9457 and what targets made up themselves)."""
_NESTED_KEYS: Final = ("error", "errors", "Errors", "Error", "fault")

_HTML_TITLE: Final = re.compile(r"<(title|h1|h2)\b[^>]{0,200}>(.{1,500}?)</\1", re.IGNORECASE | re.DOTALL)
_HTML_SILENT: Final = re.compile(r"<(script|style)\b.{0,20000}?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^>]{0,500}>")
_CREDENTIALS: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}")
_PASSWORD: Final = re.compile(r'(?i)("?(?:password|client_secret|access_token)"?\s*[:=]\s*)("[^"]*"|[^\s,;&}]+)')
_HIDDEN: Final = "[hidden]"
NO_SUCH_METHOD: Final = frozenset({405, 501})
"""Statuses that say so of the method itself, whoever words them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an answer that is no success says."""

    status: int
    scim_type: str
    words: str
    """What the target said; the meaning of its status when it said nothing."""
    is_html: bool = False

    @property
    def is_certain(self) -> bool:
        """Whether something can be learned from it: a page may come from a proxy or another application."""
        return not self.is_html or self.status in NO_SUCH_METHOD

    def __str__(self) -> str:
        kind = f"{self.status} {self.scim_type}" if self.scim_type else str(self.status)
        page = " (an HTML page in place of JSON: a proxy or another application may have answered)"
        return f"{kind}: {self.words}{page if self.is_html else ''}"


class Redaction:
    """Takes secrets out of text."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = sorted(set(secrets), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        text = _CREDENTIALS.sub(rf"\1 {_HIDDEN}", text)
        return _PASSWORD.sub(rf"\1{_HIDDEN}", text)


def explain(status: int, body: bytes, redact: Redaction) -> Refusal:
    """The refusal behind a status and a body."""
    document = _decoded(body)
    if isinstance(document, Mapping | list):
        words, is_html = next(_sentences(document), ""), False
    else:
        words, is_html = _plain(body)
    words = " ".join(redact(words).split())
    if len(words) > MOST_CHARACTERS:
        words = words[: MOST_CHARACTERS - 1] + "…"
    return Refusal(status, _scim_type(document), words or _meaning(status), is_html)


def retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds of a `Retry-After` header, given as seconds or as an HTTP date (RFC 9110 §10.2.3); None for neither."""
    text = (text or "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
        return min(float(text), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), _LONGEST_WAIT)


def _decoded(body: bytes) -> Json:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _scim_type(document: Json) -> str:
    kind = document.get("scimType") if isinstance(document, Mapping) else None
    return kind[:40] if isinstance(kind, str) and kind.isascii() and kind.isalnum() else ""


def _sentences(document: Json, depth: int = 3) -> Iterator[str]:
    """The words in JSON of any of the known shapes."""
    if isinstance(document, list):
        for item in document[:3]:
            yield from [item] if isinstance(item, str) else _sentences(item, depth - 1)
    if not isinstance(document, Mapping) or not depth:
        return
    for key in _TEXT_KEYS:
        if isinstance(text := document.get(key), str) and text.strip():
            yield text
    for key in _NESTED_KEYS:
        yield from _sentences(document.get(key), depth - 1)


def _plain(body: bytes) -> tuple[str, bool]:
    """The words of text, and whether it is HTML."""
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    if not re.search(r"<(!doctype|html|head|body|h1|title)\b", text, re.IGNORECASE):
        return text, False
    if found := _HTML_TITLE.search(text):
        return unescape(_TAG.sub(" ", found[2])), True
    return unescape(_TAG.sub(" ", _HTML_SILENT.sub(" ", text))), True


def _meaning(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no explanation"
