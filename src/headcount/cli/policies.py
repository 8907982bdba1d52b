"""What a tenant does with mass removal, people who exist and requests: its policies on the command line."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from headcount.cli.output import UsageError
from headcount.http.json_body import decode_json
from headcount.scim.errors import ScimError

Guard = Annotated[
    str | None,
    typer.Option(
        "--guard",
        metavar="JSON|FILE",
        help="Rules against mass removal, in place of those there were: a JSON array as in the attribute 'guard', a "
        "file that holds it, '-' for standard input; 'none' for no rules.",
    ),
]
AdoptionOption = Annotated[
    str | None,
    typer.Option(
        "--adoption",
        help="Of somebody who exists. refuse: 409. sameExternalId: updated, if the same connection knows them by it.",
        show_default=False,
    ),
]
Rehire = Annotated[
    str | None,
    typer.Option(
        "--rehire",
        help="Of somebody who was deleted. new: under a new id. sameId: under the old one, for the same externalId.",
        show_default=False,
    ),
]
RequestLogOption = Annotated[
    str | None,
    typer.Option(
        "--request-log",
        help="What is kept of the last requests: off, metadata, bodies of failures and what was forgiven, or of all.",
        show_default=False,
    ),
]


def guard_from(text: str | None) -> list[Any] | None:
    """The rules that the option gives, None for none given; raises UsageError for what is no array."""
    if text is None or text == "none":
        return None if text is None else []
    try:
        rules = decode_json(_content(text))
    except OSError as error:
        raise UsageError(f"cannot read {text}: {error.strerror}") from error
    except ScimError as error:
        raise UsageError(f"--guard: {error.detail}") from error
    if not isinstance(rules, list):
        raise UsageError('--guard takes an array of rules: [{"kind":"delete","number":50,"reaction":"hold"}]')
    return rules


def _content(text: str) -> bytes:
    if text.lstrip().startswith(("[", "{")):
        return text.encode()
    return sys.stdin.buffer.read() if text == "-" else Path(text).read_bytes()
