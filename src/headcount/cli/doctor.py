"""`headcount doctor`: what is wrong with an installation, or will be, and what to do about it."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from headcount.assembly import open_installation, store_of
from headcount.cli.output import AsJson, Database, show
from headcount.scim.folding import instant
from headcount.settings import Settings, SettingsError
from headcount.store.administration import Finding, State

_SOON: Final = 30
"""Days before its end from which a token is spoken of."""
_LOCAL: Final = ("127.0.0.1", "localhost", "::1")
_SIGNS: Final = {State.OK: ("ok", "green"), State.WARNING: ("warning", "yellow"), State.BROKEN: ("broken", "red")}


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Make missing indexes first, and extensions that this account may add.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Look at the database and the settings, and say what is wrong, what is slower than it could be, and what to do.

    The exit code is 1 when something is broken, 0 when there are warnings only. Nothing is changed without --fix.

    Example: headcount doctor --database postgresql://localhost/headcount
    """
    settings = Settings.from_environment(database=database)
    repaired = asyncio.run(store_of(settings).repair()) if fix else []
    findings = asyncio.run(_findings(settings))
    if as_json:
        show({"findings": [asdict(finding) for finding in findings], "repaired": list(repaired)}, as_json=True)
    else:
        _tell(findings, repaired)
    if any(finding.state is State.BROKEN for finding in findings):
        raise typer.Exit(1)


async def _findings(settings: Settings) -> list[Finding]:
    findings = [*_of_settings(settings), *await store_of(settings).examine(settings.workers)]
    if not any(finding.state is State.BROKEN for finding in findings):
        async with open_installation(settings) as installation:
            findings += _of_tokens(await installation.tokens.list())
    return findings


def _of_settings(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.public_url)
    if url.hostname in _LOCAL:
        message = f"clients are told {settings.public_url}, which only this machine reaches"
        yield Finding("public URL", State.WARNING, message, "set HEADCOUNT_PUBLIC_URL to the URL that clients use")
    elif url.scheme != "https":
        message = f"{settings.public_url}: tokens and people travel in the clear"
        yield Finding("public URL", State.WARNING, message, "serve with TLS, and begin HEADCOUNT_PUBLIC_URL with https")
    else:
        yield Finding("public URL", State.OK, settings.public_url)
    try:
        settings.installation_key()
    except SettingsError as error:
        advice = "cursors of other servers, and of before, are refused until the file is there again"
        yield Finding("installation key", State.BROKEN, str(error), advice)


def _of_tokens(tokens: Iterable[dict[str, str]]) -> Iterator[Finding]:
    expiring = [(days, token) for token in tokens if (days := _days_left(token)) is not None and days < _SOON]
    for days, token in sorted(expiring, key=itemgetter(0)):
        message = f"'{token['name']}' of the tenant {token['tenant']} ends in {days} days"
        advice = f"headcount token create --tenant {token['tenant']} --name …, and give it to the client"
        yield Finding("tokens", State.WARNING, message, advice)
    if not expiring:
        yield Finding("tokens", State.OK, f"none ends within {_SOON} days")


def _days_left(token: dict[str, str]) -> int | None:
    """Whole days that a token is still valid for; None when it is not, or has no end."""
    if token["state"] != "active" or not token.get("expires"):
        return None
    return (datetime.fromisoformat(instant(token["expires"])) - datetime.now(UTC)).days


def _tell(findings: Sequence[Finding], repaired: Sequence[str]) -> None:
    console = Console(highlight=False)
    for done in repaired:
        console.print(Text(f"{done[0].upper()}{done[1:]}."))
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        sign, colour = _SIGNS[finding.state]
        line = Text.assemble((f"{sign:8}", colour), f"{finding.check:{width}}  {finding.message}")
        console.print(line, soft_wrap=True)
        if finding.advice:
            console.print(Text(f"{'':8}{'':{width}}  → {finding.advice}"), soft_wrap=True)
