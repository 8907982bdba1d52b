"""An outside judge: scim2-tester finds no error in a running server."""

import httpx2
import pytest
from pydantic import BaseModel
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

READ_ONLY = {"display", "displayName"}
"""Of a reference, what the service provider fills in (RFC 7643 §4.2, §4.3)."""


def is_filled_in(result):
    """Whether a value differs from what was sent by nothing but a read-only name that the server filled in.

    The judge compares both as they are. That a client cannot set such a name, and may see it, is RFC 7643 §7.

    No truthful schema satisfies it: the names are declared `readOnly` already, so that it sends none, and it expects
    none back. Declared `readWrite` they would have to be what the client sent, but they are the name of another
    resource; with `returned` `request` they would be kept from all who show them (RFC 7643 §8.7.1 has `default`).
    """
    data = result.data if isinstance(result.data, dict) else {}
    return "modify_actual" in data and bare(data["expected"]) == bare(data["modify_actual"])


def bare(value):
    """The value without the names that are filled in, and without the judge's own mark of an extension."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, dict):
        return {name: bare(item) for name, item in value.items() if name not in {*READ_ONLY, "schemas"}}
    return value


@pytest.fixture
def judged(new_tenant, request):
    client = new_tenant(request.param)
    headers = {"Authorization": f"Bearer {client.token}"}
    with httpx2.Client(base_url=client.base_url, headers=headers, timeout=30) as connection:
        yield SyncSCIMClient(connection)


@pytest.mark.parametrize("judged", ["strict", "tolerant"], indirect=True)
def test_the_judge_finds_no_error(judged):
    judged.discover()
    results = check_server(judged, raise_exceptions=False)
    bad = {Status.DEVIATION, Status.ERROR, Status.CRITICAL}
    errors = [each for each in results if each.status in bad and not is_filled_in(each)]
    assert [(each.title, each.reason) for each in errors] == []
    assert sum(each.status is Status.SUCCESS for each in results) > 50
