"""What a job file may say: the one description that reads it, checks it and is its JSON Schema."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from cronsim import CronSim, CronSimError

from headcount.provisioning.jobs import DEFAULT_ADOPT, DEFAULT_GROUP_ADOPT, Drift, GroupOrigin, Leaver, Nested
from headcount.provisioning.mapping.attributes import Owner, When
from headcount.provisioning.plan import GuardKind
from headcount.provisioning.shapes import (
    Anything,
    Choice,
    Dictionary,
    Either,
    Flag,
    Listing,
    Member,
    Nothing,
    Number,
    SecretText,
    Shape,
    Table,
    Text,
)
from headcount.scim.schemas import Json

_SECONDS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
DEACTIVATE_THEN_DELETE: Final = "deactivate-then-delete"


def _duration(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)\s*([a-z]+)", text).groups()  # type: ignore[union-attr]  # the pattern was met
    return int(number) * _SECONDS[unit]


def _share(text: str) -> float:
    share = float(text.rstrip("% ")) / 100
    if share > 1:
        raise ValueError("a share is at most 100%.")
    return share


def _rate(text: str) -> float:
    number, _, unit = text.partition("/")
    if not int(number):
        raise ValueError("a rate is more than 0.")
    return int(number) / _SECONDS[unit.strip()]


def _schedule(text: str) -> str:
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"'{text}' is no cron expression ({error}); write it like */15 * * * *.") from error
    return text


NAME: Final = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
_NAMED: Final = Text(pattern=NAME, example="hr-to-apps")
_URL: Final = Text(pattern=r"https?://[^\s@]+", example="https://api.example.com/scim/v2 (without user and password)")
_DURATION: Final = Text(pattern=r"\d{1,6}\s*[smhd]", example="30d, 24h, 15m", convert=_duration)
_LINES: Final = Listing(Text())


def _member(shape: Shape, help_text: str, default: Any = None) -> Member:
    return Member(shape, help_text, default=default)


def _required(shape: Shape, help_text: str) -> Member:
    return Member(shape, help_text, is_required=True)


CEL: Final = Text()
SCOPE: Final = Text(longest=8_000)

MAPPING: Final = Table(
    {
        "cel": _member(CEL, "A CEL expression over `record`, `key` and `today`."),
        "constant": _member(Anything(), "The same value for everybody, in place of an expression."),
        "default": _member(Anything(), "The value where the expression gives none."),
        "on": _member(
            Text(tuple(When)),
            "When it is sent: always, on create only, or only if the target has no value.",
            When.ALWAYS,
        ),
        "owner": _member(
            Text(tuple(Owner)),
            "Whose value counts once the account is there; one of the `target` is not sent again, and is no drift.",
            Owner.SOURCE,
        ),
    }
)
_MAPPINGS: Final = Dictionary(Either((MAPPING, CEL)))
_OVERRIDES: Final = Dictionary(Either((MAPPING, Nothing(), CEL)))

AUTHENTICATION: Final = Table(
    {
        "bearer": _member(SecretText(), "A token that is sent as it is."),
        "basic": _member(
            Table({"user": _required(Text(), "The user."), "password": _required(SecretText(), "The password.")}),
            "HTTP Basic.",
        ),
        "oauth2": _member(
            Table(
                {
                    "token_url": _required(_URL, "Where access tokens are issued."),
                    "client_id": _required(Text(), "The client."),
                    "client_secret": _required(SecretText(), "Its secret."),
                    "scope": _member(Text(), "The scopes that are asked for, separated by spaces."),
                    "audience": _member(Text(), "The audience, for issuers that want one."),
                    "in_body": _member(Flag(), "Whether id and secret travel in the body.", default=False),
                }
            ),
            "OAuth 2.0 client credentials.",
        ),
        "headers": _member(Dictionary(SecretText()), "Headers with secret values, by name."),
    }
)
_TLS: Final = Table(
    {
        "verify": _member(Flag(), "Whether the certificate is verified.", default=True),
        "authorities": _member(Text(), "A PEM file of certificate authorities, in place of the system's."),
        "certificate": _member(Text(), "A PEM file with a client certificate."),
        "key": _member(Text(), "A PEM file with its private key."),
    }
)
_CONNECTION: Final = {
    "url": _required(_URL, "The base URL: what stands before /Users."),
    "authentication": _member(AUTHENTICATION, "How requests are authenticated; exactly one way."),
    "headers": _member(Dictionary(Text()), "Headers that are sent with each request; no secrets."),
    "query": _member(Dictionary(Text()), "Parameters that are added to each request; no secrets."),
    "tls": _member(_TLS, "How the connection is secured."),
    "proxy": _member(
        SecretText(), "The URL of a proxy, which may hold a password; without it the environment decides."
    ),
    "timeout": _member(Number(1, 600), "Seconds for one request."),
}
CONNECTION_KEYS: Final = tuple(key for key in _CONNECTION if key not in ("url", "authentication"))

_FILE: Final = {
    "path": _required(Text(), "The file; relative to the job file."),
    "encoding": _member(Text(), "utf-8 (with or without byte order mark), utf-16, latin-1 or another.", "utf-8"),
}
_SEPARATOR: Final = _member(Text(longest=1), "Between columns; found out when it is not given.")
_KEY: Final = _required(Text(), "What a record is known by for ever: an employee number, an id.")
_MEMBERS: Final = {
    "members": _member(Text(), "The attribute that holds the keys of a group's members.", "members"),
    "member_separator": _member(Text(longest=4), "Between the members in one text.", ";"),
}


def _file_source(more: dict[str, Member]) -> Table:
    """A source that is a file; its groups are another one, of the same format."""
    groups = Table({**_FILE, "key": _KEY, **more, **_MEMBERS})
    return Table({**_FILE, "key": _KEY, **more, "groups": _member(groups, "A file of groups with their members.")})


SOURCES: Final = Choice(
    "type",
    {
        "csv": _file_source({"separator": _SEPARATOR}),
        "ndjson": _file_source({}),
        "scim": Table(
            {
                **_CONNECTION,
                "pack": _member(Text(), "What kind of server it is.", "generic"),
                "key": _member(Text(), "The attribute that a person is known by.", "id"),
                "filter": _member(SCOPE, "A SCIM filter: who is read at all."),
                "groups": _member(Flag(), "Whether groups are read.", default=True),
            }
        ),
        "headcount": Table(
            {
                "tenant": _member(_NAMED, "The tenant of this installation that is read; the job's own if not given."),
                "key": _member(Text(), "The attribute that a person is known by.", "id"),
                "groups": _member(Flag(), "Whether groups are read.", default=True),
            }
        ),
    },
)
"""Kinds of sources. LDAP and SQL find their place here."""

_NESTED: Final = Text(tuple(Nested))
GROUPS: Final = Table(
    {
        "from": _required(
            Text(tuple(GroupOrigin)), "`source`: the source has groups; `attribute`: each value of an attribute is one."
        ),
        "attribute": _member(Text(), "The attribute of a person's record whose values are groups."),
        "separator": _member(Text(longest=4), "Between several values in one text."),
        "mappings": _member(_MAPPINGS, "Attributes of groups; displayName and externalId have defaults."),
        "scope": _member(SCOPE, "Which groups take part: a SCIM filter over the mapped group."),
        "nested": _member(_NESTED, "Groups in groups: kept, or flattened to the persons in them.", Nested.KEEP),
    }
)
_TARGET_GROUPS: Final = Either(
    (
        Flag(only=False),
        Table(
            {
                "scope": _member(SCOPE, "Which groups this target has, in addition to the job's own scope."),
                "nested": _member(_NESTED, "Groups in groups, for this target."),
                "gone": _member(
                    Text((Leaver.DELETE, Leaver.KEEP)), "What becomes of a group that is gone.", Leaver.DELETE
                ),
            }
        ),
    )
)

LIMIT: Final = Either(
    (
        Flag(only=False),
        Table(
            {
                "number": _member(Number(), "How many changes pass."),
                "share": _member(
                    Text(pattern=r"\d{1,3}(?:\.\d+)?\s*%", example="5%", convert=_share),
                    "The share of the linked accounts that passes.",
                ),
                "window": _member(_DURATION, "The time over which runs are added up; 24h if not given."),
            }
        ),
    )
)
POLICIES: Final = {
    "leaver": _member(
        Either(
            (
                Table({DEACTIVATE_THEN_DELETE: _required(_DURATION, "The time between the two.")}),
                Text(tuple(Leaver)),
            )
        ),
        "What becomes of the account of somebody who has left; deactivate if nothing is said.",
    ),
    "guard": _member(
        Table({kind.value: _member(LIMIT, f"The limit on {kind.value}; false for none.") for kind in GuardKind}),
        "How much of a kind of change passes; past that the kind is held until it is released.",
    ),
    "adopt": _member(
        _LINES,
        "Correlation rules that link without asking what is there already. If nothing is said: of persons "
        f"{' and '.join(DEFAULT_ADOPT)}, of groups {' and '.join(DEFAULT_GROUP_ADOPT)}.",
    ),
    "drift": _member(
        Text(tuple(Drift)),
        "What somebody else changed at the target: reported or overwritten; report if nothing is said.",
    ),
    "concurrency": _member(Number(1, 256), "Requests at a time."),
    "rate": _member(
        Text(pattern=r"\d{1,6}\s*/\s*(?:s|min|h)", example="600/min", convert=_rate), "Requests in a time at most."
    ),
}
TARGETS: Final = Choice(
    "type",
    {
        "scim": Table(
            {
                **_CONNECTION,
                "pack": _member(
                    Text(), "What kind of server it is: `generic`, or the name of a target pack.", "generic"
                ),
                "capabilities": _member(Dictionary(Anything()), "What you know better than the pack and the probe."),
                "scope": _member(SCOPE, "Who this target has, in addition to the job's own scope."),
                "mappings": _member(
                    _OVERRIDES, "Mappings for this target alone; null for an attribute not to be sent."
                ),
                "groups": _member(_TARGET_GROUPS, "Groups for this target; false for none."),
                **POLICIES,
            }
        )
    },
)
_RULE: Final = Either(
    (
        Table(
            {
                "name": _member(Text(), "What `adopt` calls it; the attribute if not given."),
                "attribute": _required(Text(), "The attribute that is looked up at the target."),
                "expression": _required(CEL, "A CEL expression for the value."),
            }
        ),
        Text(),
    )
)
JOB: Final = Table(
    {
        "name": _required(_NAMED, "A stable name: state is kept under it."),
        "description": _member(Text(), "For people."),
        "tenant": _required(_NAMED, "The tenant that owns the job's state."),
        "source": _required(SOURCES, "Where people come from."),
        "join": _member(
            Listing(
                Table(
                    {
                        "name": _required(_NAMED, "What `precedence` calls it."),
                        "source": _required(SOURCES, "The other source."),
                        "on": _required(
                            Text(), "The attribute of the primary record that holds the other source's key."
                        ),
                        "precedence": _member(
                            Dictionary(_LINES),
                            "By attribute: `source` and names of joins; the first that has a value wins. "
                            "Without it `source` wins.",
                        ),
                    }
                ),
                16,
            ),
            "Other sources whose attributes join the records.",
        ),
        "scope": _member(SCOPE, "Who takes part: a SCIM filter over the mapped person."),
        "mappings": _required(_MAPPINGS, "Attributes of accounts: a CEL expression each, or more than that."),
        "lookups": _member(
            Dictionary(Dictionary(Text(), most=10_000), r"[A-Za-z_]\w*", "countries"),
            'Tables for lookup("name", value).',
        ),
        "groups": _member(GROUPS, "Groups and their members."),
        "correlation": _member(
            Listing(_RULE, 16),
            "How an account that is there is recognised, in order: externalId, userName, email, or your own rules.",
        ),
        "targets": _required(Dictionary(TARGETS, NAME, "slack"), "The applications, by a name of your choice."),
        "policies": _member(Table(POLICIES), "What holds for each target that says nothing else."),
        "schedule": _member(Text(convert=_schedule), "When it runs by itself: a cron expression, UTC."),
    }
)


def schema_document() -> dict[str, Json]:
    """The JSON Schema (2020-12) of job files, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Headcount sync job",
        **JOB.schema(),
    }
