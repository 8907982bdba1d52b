"""An outside judge: scim2-tester finds no error in a running server."""

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server


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
    errors = [each for each in results if each.status in bad]
    assert [(each.title, each.reason) for each in errors] == []
    assert sum(each.status is Status.SUCCESS for each in results) > 50
