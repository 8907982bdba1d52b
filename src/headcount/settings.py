"""Settings: every knob, where it is read from, and what it is without being set.

Each field has an environment variable, `HEADCOUNT_` and its name in upper case.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PREFIX: Final = "HEADCOUNT_"
KEY_BYTES: Final = 32
_SQLITE: Final = "sqlite:///"
_POSTGRESQL: Final = ("postgresql://", "postgres://")


class SettingsError(Exception):
    """A setting has a value that it cannot have."""


def _setting(default: Any, help_text: str) -> Any:  # the dataclass gives the type
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    """How an installation runs."""

    database: str = _setting(
        "sqlite:///headcount.db",
        "Where the data is: sqlite:///relative, sqlite:////absolute, or postgresql://user:password@host/database.",
    )
    database_connections: int = _setting(8, "Connections to PostgreSQL that a process opens at most.")
    database_pooler: str = _setting(
        "none", "transaction where a pooler in transaction mode, such as PgBouncer, stands in front of PostgreSQL."
    )
    database_timeout: float = _setting(15.0, "Seconds that PostgreSQL may take for one statement; past them it is 503.")
    database_replica: str = _setting(
        "", "A streaming replica of the PostgreSQL, which takes the searches that read much: postgresql://…"
    )
    public_url: str = _setting("http://127.0.0.1:8000", "The URL that clients use; makes meta.location.")
    installation_key_file: str = _setting(
        "", "A file with 32 bytes, raw or hexadecimal, in place of the key in the database."
    )
    behind_proxy: bool = _setting(
        default=False,
        help_text="true where a proxy in front is the only way in: clients are then where X-Forwarded-For says.",
    )
    private_networks: str = _setting(
        "", "Private address ranges, separated by commas, that issuers and webhooks may be in: 127.0.0.0/8,10.1.0.0/16."
    )
    access_token_lifetime: int = _setting(3_600, "Seconds that a token of the token endpoint is valid for.")
    token_failures: int = _setting(
        60,
        "Failures at the token endpoint that one client at one address may have in a minute, and ten times as many one "
        "address; 0 for any number.",
    )
    log_format: str = _setting("text", "text or json.")
    log_level: str = _setting("info", "debug, info, warning or error.")
    workers: int = _setting(1, "Processes that serve.")
    search_budget: float = _setting(5.0, "Seconds that a search may take; past them it is tooMany.")
    header_deadline: float = _setting(10.0, "Seconds for the request line and the headers to arrive.")
    body_deadline: float = _setting(
        30.0, "Seconds without a further part of the body, or without the client taking a further part of the answer."
    )
    connections_per_address: int = _setting(
        1_000, "Connections from one address at a time; 0 for any number, as always behind a proxy."
    )
    requests_in_flight: int = _setting(512, "Requests that a process works on at a time; more are refused with 503.")
    body_bytes_in_flight: int = _setting(
        64 * 1024 * 1024, "Bytes of request bodies that a process holds at a time; more are refused with 503."
    )
    bulk_operations: int = _setting(1_000, "Operations in a bulk request.")
    bulk_bytes: int = _setting(4 * 1024 * 1024, "Bytes in a bulk request.")
    body_bytes: int = _setting(1024 * 1024, "Bytes in any other request.")
    group_body_bytes: int = _setting(16 * 1024 * 1024, "Bytes in a request to a group.")
    archive_bytes: int = _setting(1024 * 1024 * 1024, "Bytes in an archive of a tenant that is sent to /manage.")
    members: int = _setting(100_000, "Members that one request may change.")
    patch_operations: int = _setting(1_000, "Operations in a PATCH.")
    filter_bytes: int = _setting(8 * 1024, "Bytes in a filter.")
    filter_depth: int = _setting(32, "Levels of parentheses and brackets in a filter.")
    filter_terms: int = _setting(200, "Comparisons in a filter.")
    projection_names: int = _setting(200, "Names in attributes or excludedAttributes.")
    sensitive_attributes: str = _setting(
        "", "Attribute paths, separated by commas, that a filter or sortBy in a URL must not name."
    )
    default_page_size: int = _setting(100, "Resources in a page without a count.")
    max_page_size: int = _setting(1_000, "Resources in a page at most.")
    webhook_timeout: float = _setting(15.0, "Seconds that the endpoint of a webhook may take to answer.")
    retention_days: int = _setting(30, "Days that the change log is kept; readers of events who come later start anew.")
    cursor_timeout: int = _setting(3_600, "Seconds that a cursor stays valid.")
    patched_members: int = _setting(200, "Members past which a PATCH of a group answers 204 instead of the group.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **overrides: Any) -> "Settings":
        """The settings in environment variables, and over them those given here and not None.

        Raises SettingsError naming the variable.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for item in fields(cls):
            text = environment.get(PREFIX + item.name.upper())
            if text is not None and text != "":
                values[item.name] = _read(item.name, text, item.default)
        values |= {name: value for name, value in overrides.items() if value is not None}
        if "public_url" in values:
            values["public_url"] = values["public_url"].rstrip("/")
        settings = cls(**values)
        settings._check()
        return settings

    def with_bound(self, url: str) -> "Settings":
        """With the public URL that the server was bound to, unless one was set."""
        return replace(self, public_url=url)

    @property
    def is_sqlite(self) -> bool:
        """Whether the data is in a SQLite file; otherwise it is in a PostgreSQL."""
        return self.database.startswith(_SQLITE)

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return Path(self.database.removeprefix(_SQLITE))

    def installation_key(self) -> bytes | None:
        """The key in the key file, None without such a file; raises SettingsError."""
        if not self.installation_key_file:
            return None
        try:
            content = Path(self.installation_key_file).read_bytes()
        except OSError as error:
            raise SettingsError(f"{PREFIX}INSTALLATION_KEY_FILE: {error}") from error
        if len(content) != KEY_BYTES:
            try:
                content = bytes.fromhex(content.decode().strip())
            except ValueError:
                content = b""
        if len(content) != KEY_BYTES:
            raise SettingsError(f"{PREFIX}INSTALLATION_KEY_FILE must hold {KEY_BYTES} bytes, raw or hexadecimal")
        return content

    def _check(self) -> None:
        self._check_database()
        self._check_networks()
        if not _is_public_url(self.public_url):
            raise SettingsError(
                f"{PREFIX}PUBLIC_URL must be a URL such as https://scim.example.com, without user, query and fragment"
            )
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise SettingsError(f"{PREFIX}{name.upper()} must be one of {', '.join(choices)}")
        for name in _NUMBERS:
            value = getattr(self, name)
            if not (0 < value < math.inf or (value == 0 and name in _ZERO_TOO)):
                bound = "0 or greater" if name in _ZERO_TOO else "greater than 0"
                raise SettingsError(f"{PREFIX}{name.upper()} must be {bound}")
        if self.default_page_size > self.max_page_size:
            raise SettingsError(f"{PREFIX}DEFAULT_PAGE_SIZE must not be greater than {PREFIX}MAX_PAGE_SIZE")
        for name in _BODIES:
            if getattr(self, name) > self.body_bytes_in_flight:
                raise SettingsError(f"{PREFIX}{name.upper()} must not be greater than {PREFIX}BODY_BYTES_IN_FLIGHT")

    def _check_networks(self) -> None:
        try:
            for part in self.private_networks.split(","):
                if part.strip():
                    ip_network(part.strip(), strict=False)
        except ValueError as error:
            raise SettingsError(f"{PREFIX}PRIVATE_NETWORKS must hold ranges such as 10.0.0.0/8: {error}") from None

    def _check_database(self) -> None:
        file = self.database.removeprefix(_SQLITE)
        if self.is_sqlite and file and file != ":memory:" and "?" not in file:
            return
        if not self.database.startswith(_POSTGRESQL):
            raise SettingsError(
                f"{PREFIX}DATABASE must be a URL such as sqlite:///headcount.db or postgresql://localhost/headcount"
            )
        if self.database_replica and not self.database_replica.startswith(_POSTGRESQL):
            raise SettingsError(f"{PREFIX}DATABASE_REPLICA must be a URL such as postgresql://localhost/headcount")


_CHOICES: Final = {
    "database_pooler": ("none", "transaction"),
    "log_format": ("text", "json"),
    "log_level": ("debug", "info", "warning", "error"),
}
_NUMBERS: Final = tuple(item.name for item in fields(Settings) if type(item.default) in (int, float))
_BOOLEANS: Final = {"true": True, "false": False}
_ZERO_TOO: Final = ("connections_per_address", "patched_members", "token_failures")
_BODIES: Final = ("bulk_bytes", "body_bytes", "group_body_bytes")


def _is_public_url(text: str) -> bool:
    """Whether the URLs of resources can begin with the text."""
    try:
        url = urlsplit(text)
        has_host = bool(url.hostname) and url.port != 0
    except ValueError:  # brackets or a port that are none
        return False
    return url.scheme in ("http", "https") and has_host and text.isprintable() and not set(text) & set(" ?#@")


def _read(name: str, text: str, default: Any) -> Any:
    kind = type(default)
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise SettingsError(f"{PREFIX}{name.upper()} must be true or false, not {text!r}")
        return _BOOLEANS[text.lower()]
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{PREFIX}{name.upper()} must be {what}, not {text!r}") from None
