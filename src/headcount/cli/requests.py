"""`headcount requests`: what clients sent, what was forgiven them, and how it ended."""

import asyncio
import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import orjson
import typer

from headcount.assembly import Installation
from headcount.cli.output import AsJson, Database, UsageError, show, show_table
from headcount.cli.running import with_installation
from headcount.directory.request_exports import SCIM_JSON, as_curl_command, as_test_case, target_of

requests = typer.Typer(no_args_is_help=True, help="Show the last requests of a tenant's clients, and replay one.")

_COLUMNS: Final = {
    "at": "AT",
    "status": "STATUS",
    "method": "METHOD",
    "path": "PATH",
    "milliseconds": "MS",
    "outcome": "OUTCOME",
    "tolerations": "FORGIVEN",
    "requestId": "REQUEST",
}

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant whose clients it is about.")]
RequestId = Annotated[str, typer.Argument(metavar="ID", help="The request's id, from 'tail' or X-Request-Id.")]


@requests.command("tail")
def tail(
    tenant: Tenant,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to begin with.")] = 20,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show the last requests: what was asked, what was forgiven, how it ended in plain words.

    Example: headcount requests tail --tenant acme --follow
    """
    if not follow:
        rows = with_installation(database, lambda installation: installation.requests.list(tenant, limit=limit))
        show_table(rows, _COLUMNS, as_json=as_json, none="No requests are kept; see 'headcount tenant show'.")
        return

    async def watch(installation: Installation) -> None:
        rows = await installation.requests.list(tenant, limit=limit)
        last = 0
        while True:
            for row in rows:
                typer.echo(json.dumps(row, ensure_ascii=False) if as_json else _line(row))
                last = row["sequence"]
            await asyncio.sleep(0.5)
            rows = await installation.requests.list(tenant, after=last, limit=1000)

    with_installation(database, watch)


@requests.command("show")
def show_one(
    request: RequestId,
    tenant: Tenant,
    as_curl: Annotated[bool, typer.Option("--curl", help="As a curl command, with $TOKEN for the token.")] = False,
    as_case: Annotated[bool, typer.Option("--case", help="As a test case in one line of JSON.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show one request, or what repeats it. Bodies are there where the tenant's request log keeps them.

    Example: headcount requests show 18eb3ced57d51099-c --tenant acme --curl
    """
    found = with_installation(database, lambda installation: installation.requests.get(tenant, request))
    if as_curl:
        command = as_curl_command(found)
        show({"curl": command}, as_json=as_json, sentence=command)
    elif as_case:
        typer.echo(json.dumps(as_test_case(found), ensure_ascii=False))
    else:
        show(found, as_json=as_json, sentence=json.dumps(found, indent=2, ensure_ascii=False))


@requests.command("replay")
def replay(
    request: RequestId,
    tenant: Tenant,
    against: Annotated[str, typer.Option("--against", metavar="URL", help="The server, as in http://localhost:8000")],
    token: Annotated[str, typer.Option("--token", envvar="HEADCOUNT_TOKEN", help="A token that is valid there.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Send a request once more, to any server, and show what it answers beside what was answered.

    Example: headcount requests replay 18eb3ced57d51099-c --tenant acme --against http://127.0.0.1:8000 --token hc_…
    """
    found = with_installation(database, lambda installation: installation.requests.get(tenant, request))
    if found["method"] in ("POST", "PUT", "PATCH") and "body" not in found:
        raise UsageError(
            f"the body was not kept; have the tenant keep bodies: headcount tenant update {tenant} --request-log bodies"
        )
    status, answer = _send(found, against.rstrip("/"), token)
    told = {"then": found["status"], "now": status, "answer": answer}
    show(told, as_json=as_json, sentence=f"{found['status']} then, {status} now\n{json.dumps(answer, indent=2)}")


def _line(row: Mapping[str, Any]) -> str:
    forgiven = f"  [{'; '.join(row['tolerations'])}]" if row["tolerations"] else ""
    return f"{row['at']} {row['status']} {row['method']} {target_of(row)} {row['outcome']}{forgiven}"


def _send(row: Mapping[str, Any], url: str, token: str) -> tuple[int, Any]:
    """The status and body of the answer."""
    parts = urlsplit(url)
    kinds = {"http": HTTPConnection, "https": HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise UsageError(f"'{url}' is no URL such as http://127.0.0.1:8000")
    body = row.get("body")
    data = None if body is None else body.encode() if isinstance(body, str) else orjson.dumps(body)
    connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": SCIM_JSON, "Accept": SCIM_JSON}
        connection.request(row["method"], parts.path + target_of(row), data, headers)
        response = connection.getresponse()
        text = response.read()
    except OSError as error:
        raise UsageError(f"{url} cannot be reached: {error}") from error
    finally:
        connection.close()
    try:
        return response.status, orjson.loads(text) if text else None
    except ValueError:
        return response.status, text[:1000].decode("utf-8", "replace")
