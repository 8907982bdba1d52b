"""How values are compared: Unicode folding and instants.

Caseless comparison is NFC and full case folding (RFC 7644 §5 asks for PRECIS; the departures are on the
conformance page). Both the evaluator and the stored compare documents use these forms, so that a database
needs only byte-wise comparison.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from unicodedata import normalize

_DATE_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|z|[+-]\d\d:\d\d)?", re.ASCII)
_DAY: Final = timedelta(days=1)


def fold(text: str) -> str:
    """The caseless form of `text`: NFC, case-folded, NFC again."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


def instant(text: str) -> str:
    """An xsd:dateTime as UTC text of fixed width, `2026-01-31T08:30:00.000000Z`, ordered as text.

    A missing zone is read as UTC (RFC 7643 §2.3.5 leaves it open); `24:00:00` is the next day's midnight.
    Raises ValueError for anything else than a date with a time.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        message = f"not a dateTime: {text!r}"
        raise ValueError(message)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    midnight = hour == "24" and minute == second == "00" and not (fraction or "").strip("0")
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(
        int(year), int(month), int(day), 0 if midnight else int(hour), int(minute), int(second), micros, _zone(zone)
    )
    try:
        moment = (moment + _DAY if midnight else moment).astimezone(UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    except OverflowError as error:
        message = f"not a dateTime that can be compared: {text!r}"
        raise ValueError(message) from error


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59:  # noqa: PLR2004  xsd:dateTime allows ±14:00
        message = f"not a time zone: {text!r}"
        raise ValueError(message)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
