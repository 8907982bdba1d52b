"""Programs that we did not write, each a process of its own on a free port. `make outside` installs them."""

import os
import secrets
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server

import httpx

from processes import LONG, eventually, server, tenant_with_token

PROGRAMS = Path(os.environ.get("OUTSIDE_PROGRAMS", ""))
"""The folder that they are installed in."""
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Application:
    """A running SCIM server, and what a job says of it."""

    url: str
    token: str
    settings: str = ""
    """More of the target in the job file, as lines of YAML."""
    renames_accounts: bool = True
    """Whether a userName can change."""
    has_managers: bool = True
    made_by_hand: dict = field(default_factory=dict)
    """What it needs to create a user, beside the userName."""

    def get(self, path, **query):
        """A resource, or everybody of a type, by no code of ours."""
        with self.client() as client:
            answer = client.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    def everybody(self, path):
        """All resources of a type, in pages of whatever size the server likes."""
        found = {}
        while True:
            page = self.get(path, startIndex=len(found) + 1)
            new = {item["id"]: item for item in page.get("Resources", [])}
            if not new.keys() - found.keys():
                assert len(found) == page["totalResults"]
                return list(found.values())
            found |= new

    def create(self, name):
        """A user whom somebody made by hand, in the eyes of a job; gives the id."""
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, **self.made_by_hand}
        with self.client() as client:
            answer = client.post("/Users", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def change(self, identifier, path, value):
        """Somebody changes a user by hand."""
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": path, "value": value}],
        }
        with self.client() as client:
            answer = client.patch(f"/Users/{identifier}", json=body)
        assert answer.is_success, answer.text

    def client(self):
        """An HTTP client of its own."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=LONG)


@contextmanager
def canaille(folder):
    """A Python identity provider: it ignores filters, fails at count, and never returns externalId."""
    token = secrets.token_hex()
    line = [PROGRAMS / "canaille/bin/python", HERE / "canaille_directory.py", token]
    name = {"name": {"formatted": "By Hand", "familyName": "Hand"}, "active": True}
    settings = "pack: canaille\n    mappings: {userName: {cel: record.login, on: create}}"
    with announced(folder, line) as port:
        yield Application(
            f"http://127.0.0.1:{port}/scim/v2",
            token,
            settings,
            renames_accounts=False,
            has_managers=False,
            made_by_hand={**name, "emails": [{"value": "hand@example.com"}]},
        )


@contextmanager
def scimmy(folder):
    """SCIMMY on Node, behind its own Express routers."""
    token = secrets.token_hex()
    with announced(folder, ["node", PROGRAMS / "scimmy/server.js", token]) as port:
        yield Application(f"http://127.0.0.1:{port}/scim", token)


@contextmanager
def scim2_server(folder):
    """The reference server of the python-scim project, in memory."""
    token = secrets.token_hex()
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    line = [PROGRAMS / "scim2-server/bin/scim2-server", "--port", str(port), "--bearer-token", token]
    application = Application(f"http://127.0.0.1:{port}/v2", token)
    with running(folder, line):
        eventually(lambda: answers(application))
        yield application


@contextmanager
def headcount(folder, database, tenant):
    """Another Headcount; a tenant of it."""
    settings = {"HEADCOUNT_DATABASE": database}
    token = tenant_with_token(folder, tenant, settings=settings)
    with server(folder, settings=settings) as running_server:
        yield Application(running_server.base_url(tenant), token, "pack: headcount")


@contextmanager
def announced(folder, line):
    """A process that prints the port it listens on."""
    with running(folder, line, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip()
        assert port.isdecimal(), (folder / "errors").read_text()
        yield int(port)


@contextmanager
def running(folder, line, **options):
    """A process; it is ended with the block."""
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(line, cwd=folder, stderr=errors, **options)
    with process:
        try:
            yield process
        finally:
            process.terminate()


def answers(application):
    """Whether a server can be asked."""
    try:
        return application.get("/ServiceProviderConfig")
    except httpx.TransportError:
        return None
