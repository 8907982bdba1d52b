"""Without the extra for signed tokens everything else works, and what needs it says how to get it."""

import subprocess
import sys

SCRIPT = """
import asyncio, sys
sys.modules["joserfc"] = None  # what Python has for a module that cannot be imported
from datetime import timedelta
from headcount.assembly import open_installation
from headcount.directory.clients import Kind
from headcount.scim.errors import InvalidValueError
from headcount.settings import Settings

async def main():
    async with open_installation(Settings(database="sqlite:///" + sys.argv[1])) as installation:
        await installation.tenants.create("acme")
        _, robot = await installation.tokens.create("acme", "robot", lifetime=timedelta(days=1))
        client = await installation.clients.find(Kind.TOKEN, robot["id"])
        token = installation.issued.issue(client, "", 2e9)
        assert (await installation.issued.verify(token)).tenant == "acme"
        await installation.connections.create("acme", "okta", {})
        issuer = {"issuer": "https://idp.example.com", "audiences": ["a"], "subjects": ["s"]}
        try:
            await installation.connections.create("acme", "trusts", {"issuer": issuer})
        except InvalidValueError as error:
            print(error.detail)

asyncio.run(main())
"""


def test_an_issuer_names_the_extra_that_it_needs(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "headcount.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "Signed tokens need an extra: pip install 'headcount[oauth]'.\n"
