"""`headcount serve` and `headcount quickstart`: the server."""

import os
import signal
from contextlib import suppress
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NoReturn

import structlog
import typer
import uvicorn

from headcount.assembly import Installation, create_application
from headcount.cli.output import AsJson, Database, show
from headcount.cli.running import Action, with_settings
from headcount.http.logs import configure_logs
from headcount.http.server import Binding, ServerError, bind, configuration
from headcount.http.workers import Workers
from headcount.settings import PREFIX, Settings

QUICKSTART_TENANT: Final = "acme"

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")]
LogFormat = Annotated[str | None, typer.Option(help="text or json.", show_default="text")]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that serve.", show_default="1")] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="TLS certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="TLS private key, PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front terminates TLS and is the only way in.")
    ] = False,
    log_format: LogFormat = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Serve all tenants, upgrading the database first where needed.

    Clients find a tenant's SCIM base URL at /t/NAME/scim/v2. Set HEADCOUNT_PUBLIC_URL to the URL that they use.

    Example: headcount serve --host 0.0.0.0 --behind-proxy --workers 2
    """
    binding = Binding(host, port, tls_cert, tls_key, behind_proxy)
    settings = Settings.from_environment(database=database, workers=workers, log_format=log_format)
    run(binding, settings, _nothing, as_json=as_json)


def quickstart(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    log_format: LogFormat = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Serve a ready tenant 'acme' with a token, and print what to try.

    Started again, it keeps its data. The token is kept beside the database, readable by you alone, and used again
    while it is valid.
    """
    binding = Binding(host, port)
    settings = Settings.from_environment(database=database, log_format=log_format)
    database_file = settings.database_path if settings.is_sqlite else Path("headcount")
    token_file = database_file.with_name(database_file.name + ".token")
    run(binding, settings, lambda installation: _ready_token(installation, token_file), as_json=as_json)


def run(binding: Binding, settings: Settings, prepare: Action[str | None], *, as_json: bool) -> None:
    """Serves until told to stop. What stands in the way is said first: nothing is announced that does not work.

    `prepare` gives the token to print, if there is one.
    """
    binding.check()
    settings = _resolved(settings)
    if binding.behind_proxy:
        settings = replace(settings, behind_proxy=True, connections_per_address=0)  # all come from the proxy's address
    config = configuration("headcount.assembly:application", binding, settings)
    listening = bind(config)
    bound = replace(binding, port=listening.getsockname()[1])
    configure_logs(settings.log_format, settings.log_level)
    if not os.environ.get(f"{PREFIX}PUBLIC_URL"):
        settings = settings.with_bound(bound.url)
        if binding.behind_proxy:
            structlog.get_logger().warning(f"{PREFIX}PUBLIC_URL is not set; clients are told {bound.url}")
    token = with_settings(settings, prepare, upgrade=True)
    signal.signal(signal.SIGTERM, _stop)
    announce = partial(_announce, settings, bound, token, as_json=as_json)
    if settings.workers > 1:
        os.environ |= {PREFIX + item.name.upper(): str(getattr(settings, item.name)) for item in fields(settings)}
        Workers(config, listening, announce).run()
    else:
        announce()
        config = configuration(create_application(settings), binding, settings)
        with suppress(KeyboardInterrupt):  # raised again once the server has stopped
            uvicorn.Server(config).run(sockets=[listening])


def _stop(_signal: int, _frame: object) -> NoReturn:
    """Ends with exit code 0: before the server serves, and once it has stopped and raises the signal again.

    There is nothing to finish then, and an exception could land where it is ignored.
    """
    os._exit(0)


async def _nothing(_installation: Installation) -> None:
    """There is nothing to prepare."""


def _resolved(settings: Settings) -> Settings:
    """With an absolute database path, which processes that start elsewhere find too."""
    if not settings.is_sqlite:
        return settings
    return replace(settings, database=f"sqlite:///{settings.database_path.absolute()}")


async def _ready_token(installation: Installation, file: Path) -> str:
    """The kept token while it is valid, else a new one."""
    names = [tenant["name"] for tenant in await installation.tenants.list()]
    if QUICKSTART_TENANT not in names:
        await installation.tenants.create(QUICKSTART_TENANT, display_name="Acme")
    kept = _kept_token(file)
    if kept:
        access = await installation.tokens.verify(kept)
        if access is not None and access.tenant == QUICKSTART_TENANT and access.is_current():
            return kept
    token, _ = await installation.tokens.create(QUICKSTART_TENANT, "quickstart", lifetime=timedelta(days=365))
    _keep_token(file, token)
    return token


def _kept_token(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, ValueError):  # missing, or no token
        return ""


def _keep_token(file: Path, token: str) -> None:
    """Readable by its owner alone from the moment it exists."""
    try:
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as out:
            out.write(token + "\n")
    except OSError as error:
        raise ServerError(f"cannot keep the token in {file}: {error.strerror}") from error


def _announce(settings: Settings, bound: Binding, token: str | None, *, as_json: bool) -> None:
    base_url = f"{settings.public_url}/t/{QUICKSTART_TENANT if token else '{tenant}'}/scim/v2"
    value = {"url": bound.url, "baseUrl": base_url} | ({"token": token} if token else {})
    sentence = f"Headcount serves {bound.url}; a tenant's SCIM base URL is {base_url}."
    if token:
        curl = f"curl -s -H 'Authorization: Bearer {token}'"
        sentence = _QUICKSTART.format(base_url=base_url, token=token, curl=curl, person=_PERSON)
    show(value, as_json=as_json, sentence=sentence)


_PERSON: Final = (
    '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com",'
    '"name":{"givenName":"Ada","familyName":"Lovelace"},'
    '"emails":[{"value":"ada@example.com","type":"work","primary":true}],"active":true}'
)
_QUICKSTART: Final = """
  Headcount is ready.

  SCIM base URL  {base_url}
  Token          {token}

  Try it in another terminal. The people who are there:

{curl} '{base_url}/Users'

  Somebody joins:

{curl} -H 'Content-Type: application/scim+json' -d '{person}' '{base_url}/Users'

  An identity provider looks somebody up:

{curl} -G --data-urlencode 'filter=userName eq "ada@example.com"' '{base_url}/Users'

  Ctrl-C stops the server; its data stays.
"""
