"""The functions that mappings have beyond CEL's own, as one table: names, parameters, meaning, implementation.

Null is the empty text to every function of texts, so that an absent attribute does not stop an expression. A function
of one text that is given a list does its work on each of the texts in it.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from anyascii import anyascii

from headcount.scim.schemas import Json

LONGEST_TEXT: Final = 10_000
REFERENCE: Final = "$key"
UNIQUE: Final = "$unique"

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_GERMAN: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae"}
)
_SCANDINAVIAN: Final = str.maketrans(
    {"å": "aa", "Å": "Aa", "ø": "oe", "Ø": "Oe", "æ": "ae", "Æ": "Ae", "ä": "ae", "Ä": "Ae", "ö": "oe", "Ö": "Oe"}
)
_LANGUAGES: Final[Mapping[str, Mapping[int, Any]]] = {
    "de": _GERMAN,
    "da": _SCANDINAVIAN,
    "no": _SCANDINAVIAN,
}


@dataclass(frozen=True, slots=True)
class Function:
    """One function."""

    name: str
    parameters: tuple[str, ...]
    """Kinds: `text`, `texts` (one, or a list of them), `int`, `list`; a trailing `?` makes one optional."""
    result: str
    help: str
    call: Callable[..., Json]

    def value(self, arguments: Sequence[Json]) -> Json:
        """What it makes of its arguments; raises ValueError for those that it does not take."""
        for place, (kind, value) in enumerate(zip(self.parameters, arguments, strict=False)):
            if kind == "texts" and type(value) is list:
                before, behind = arguments[:place], arguments[place + 1 :]
                return [self.value([*before, item, *behind]) for item in value]
        return self.call(*map(self._argument, self.parameters, arguments))

    def _argument(self, kind: str, value: Json) -> Json:
        wanted = _TYPES[kind.rstrip("?").removesuffix("s")]
        if value is None and wanted is str:
            return ""
        if type(value) is not wanted:
            raise ValueError(f"{self.name} takes {wanted.__name__} where it gets {value!r:.60}")
        return value


_TYPES: Final[Mapping[str, type]] = {"text": str, "int": int, "list": list}


def bounded(text: str) -> str:
    """The text, unless it is too long; raises ValueError."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a text is longer than {LONGEST_TEXT} characters")
    return text


def _lower(text: str) -> str:
    return text.lower()


def _upper(text: str) -> str:
    return text.upper()


def _title(text: str) -> str:
    return re.sub(r"[^\W\d_]+", lambda match: match[0][:1].upper() + match[0][1:].lower(), text)


def _trim(text: str) -> str:
    return " ".join(text.split())


def _join(items: list[Json], separator: str) -> str:
    return bounded(separator.join(str(item) for item in items if item not in (None, "")))


def _split(text: str, separator: str) -> list[str]:
    parts = text.split(separator) if separator else text.split()
    return [part.strip() for part in parts if part.strip()]


def _replace(text: str, old: str, new: str) -> str:
    if len(text) + (text.count(old) if old else 0) * len(new) > 2 * LONGEST_TEXT:
        raise ValueError(f"a text is longer than {LONGEST_TEXT} characters")
    return bounded(text.replace(old, new)) if old else text


def _cut(text: str, start: int, end: int) -> str:
    return text[max(start, 0) : max(end, 0)]


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isascii() and character.isdigit())


def _first_non_empty(items: list[Json]) -> Json:
    return next((item for item in items if item not in (None, "", [], {})), None)


def _transliterate(text: str, language: str = "") -> str:
    text = unicodedata.normalize("NFC", text)
    if language:
        if language not in _LANGUAGES:
            raise ValueError(f"there is no transliteration for '{language}'; there are {', '.join(_LANGUAGES)}")
        text = text.translate(_LANGUAGES[language])
    return bounded(str(anyascii(text)))


def _normalize_email(text: str) -> str:
    address = unicodedata.normalize("NFKC", text).strip().removeprefix("mailto:").lower()
    if address and not _EMAIL.fullmatch(address):
        raise ValueError(f"'{text[:100]}' is no e-mail address")
    return address


def _date(text: str, form: str = "") -> str:
    if not text:
        return ""
    try:
        day = datetime.strptime(text.strip(), form).date() if form else datetime.fromisoformat(text.strip()).date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        wanted = f"written like '{form}'" if form else "a date such as 2026-01-31"
        raise ValueError(f"'{text[:100]}' is not {wanted}") from None
    return day.isoformat()


def _format_date(text: str, form: str) -> str:
    return bounded(_day(text).strftime(form)) if text else ""


def _add_days(text: str, days: int) -> str:
    try:
        return (_day(text) + timedelta(days=days)).isoformat() if text else ""
    except OverflowError:
        raise ValueError(f"there is no date {days} days from '{text[:100]}'") from None


def _day(text: str) -> date:
    return date.fromisoformat(_date(text))


def _unique(text: str) -> Json:
    return {UNIQUE: text} if text else None


def _reference(key: str) -> Json:
    return {REFERENCE: key} if key else None


FUNCTIONS: Final = (
    Function("lower", ("texts",), "text", "In lower case.", _lower),
    Function("upper", ("texts",), "text", "In upper case.", _upper),
    Function("title", ("texts",), "text", "Each word with a capital.", _title),
    Function("trim", ("texts",), "text", "Without spaces at the ends, and with one between words.", _trim),
    Function("join", ("list", "text"), "text", "The values that are not empty, with a separator between.", _join),
    Function("split", ("text", "text"), "list", "The parts between separators, trimmed, empty ones left out.", _split),
    Function(
        "replace", ("texts", "text", "text"), "text", "Each occurrence of the second text by the third.", _replace
    ),
    Function("cut", ("texts", "int", "int"), "text", "The characters from one place up to another, from 0.", _cut),
    Function("digits", ("texts",), "text", "Its digits alone.", _digits),
    Function(
        "firstNonEmpty", ("list",), "any", "The first value that is not empty; null if there is none.", _first_non_empty
    ),
    Function(
        "transliterate",
        ("texts", "text?"),
        "text",
        "In ASCII: Müller → Muller, and Mueller with the language `de` (also `da`, `no`).",
        _transliterate,
    ),
    Function(
        "normalizeEmail",
        ("texts",),
        "text",
        "Trimmed, in lower case; what is no address is an error.",
        _normalize_email,
    ),
    Function(
        "date",
        ("texts", "text?"),
        "text",
        "A day as 2026-01-31, read as ISO 8601 or by a form such as '%d.%m.%Y'.",
        _date,
    ),
    Function("formatDate", ("texts", "text"), "text", "A day (2026-01-31) in another form: '%d/%m/%Y'.", _format_date),
    Function(
        "addDays", ("texts", "int"), "text", "The day so many days later; earlier with a negative number.", _add_days
    ),
    Function(
        "unique",
        ("text",),
        "any",
        "A userName that a number is put to if somebody else has it: ada, ada2, …; in the mapping of `userName` alone.",
        _unique,
    ),
    Function("reference", ("texts",), "any", "The account of the person with that key, such as a manager.", _reference),
)
"""`lookup` is not among them: it belongs to a job, whose tables it reads."""


def lookup_of(tables: Mapping[str, Mapping[str, str]]) -> tuple[Function, ...]:
    """The function that reads a job's tables."""

    def look_up(table: str, value: str, otherwise: str | None = None) -> Json:
        if table not in tables:
            raise ValueError(f"there is no table '{table}' under lookups")
        return tables[table].get(value, otherwise)

    help_text = "What the job's table has for a value; null, or the third text, if it has nothing."
    return (Function("lookup", ("text", "texts", "text?"), "any", help_text, look_up),)
