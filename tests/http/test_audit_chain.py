"""The audit chain: what tampering is found, what retention and erasure leave, and a verifier written from the page."""

import hashlib
import hmac
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from headcount.directory.audit.attempts import MOST
from headcount.directory.audit.auditing import Wanted
from headcount.directory.retention import forget
from headcount.sealing import derived
from headcount.store.keeping import Line
from serving import running_server, tenant_of, user


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A server whose file these tests tamper with, and which leaves the sealing to them."""
    with running_server(tmp_path_factory.mktemp("chain")) as running:
        lease = """INSERT INTO lease (tenant, name, holder, until) VALUES ('_operator', 'audit', 'tests', ?)
            ON CONFLICT (tenant, name) DO UPDATE SET holder = excluded.holder, until = excluded.until"""
        execute(running, lease, 2**52)
        yield running


@pytest.fixture
def client(apart):
    made = apart.new_tenant()
    yield made
    made.close()


def sealed(server, client):
    server.administer(lambda installation: installation.audit.seal(tenant_of(client)))


def found(server, client, chain="changes"):
    chains = server.administer(lambda installation: installation.audit.verify(tenant_of(client)))
    return next(item for item in chains if item["chain"] == chain)


def execute(server, statement, *parameters):
    with sqlite3.connect(server.database) as connection:
        rows = connection.execute(statement, parameters).fetchall()
    connection.close()
    return rows


def entries(server, client, collection):
    rows = execute(
        server,
        "SELECT key, value FROM entry WHERE tenant = ? AND collection = ? ORDER BY key",
        tenant_of(client),
        collection,
    )
    return {key: json.loads(value) for key, value in rows}


def forgotten(server, days):
    async def run(installation):
        return await forget(installation.tenants, installation.store, installation.audit, days)

    return server.administer(run)


def aged(server, client, number, days):
    """Makes the first changes of a tenant old before they are sealed."""
    at = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text = """UPDATE change SET at = ? WHERE sequence IN (
        SELECT sequence FROM change WHERE tenant = ? ORDER BY sequence LIMIT ?)"""
    execute(server, text, at, tenant_of(client), number)


def test_a_beginning_that_was_cut_off_is_found(apart, client):
    """Whoever removes the first records with the blocks that sealed them leaves a chain that begins nowhere."""
    for _ in range(3):
        client.new_user()
        sealed(apart, client)
    ((position,),) = execute(apart, "SELECT min(sequence) FROM change WHERE tenant = ?", tenant_of(client))
    execute(apart, "DELETE FROM change WHERE sequence = ?", position)
    execute(apart, "DELETE FROM entry WHERE tenant = ? AND key = 'changes/000000000001'", tenant_of(client))
    messages = [problem["message"] for problem in found(apart, client)["problems"]]
    assert messages == ["a block before it was changed, removed or inserted"]


def test_the_chain_of_another_tenant_does_not_fit(apart, client):
    with apart.new_tenant() as other:
        other.new_user()
        sealed(apart, other)
        stranger, mine = tenant_of(other), tenant_of(client)
    for table in ("change", "entry"):
        execute(apart, f"UPDATE {table} SET tenant = ? WHERE tenant = ?", mine, stranger)  # noqa: S608
    assert found(apart, client)["problems"] != []


def test_records_that_are_no_longer_kept_leave_signatures(apart, client):
    for _ in range(4):
        client.new_user()
    aged(apart, client, 2, days=40)
    sealed(apart, client)
    client.new_user()
    sealed(apart, client)
    assert forgotten(apart, 30) >= 2
    after = found(apart, client)
    assert (after["problems"], after["records"], after["forgotten"]) == ([], 3, 2)
    aged(apart, client, 2, days=35)
    assert "changed" in str(found(apart, client)["problems"]), "only what was old when it was sealed may go"


def test_blocks_go_when_all_of_them_is_beyond_retention(apart, client):
    for _ in range(2):
        client.new_user()
    aged(apart, client, 2, days=40)
    sealed(apart, client)
    client.new_user()
    sealed(apart, client)
    forgotten(apart, 30)
    after = found(apart, client)
    assert (after["problems"], after["blocks"], after["records"], after["forgotten"]) == ([], 1, 1, 0)
    (checkpoint,) = entries(apart, client, "audit checkpoint").values()
    assert checkpoint["block"] == 1
    client.new_user()
    sealed(apart, client)
    assert found(apart, client)["problems"] == [], "the chain goes on from the checkpoint"


@pytest.mark.parametrize("collection", ["audit checkpoint", "audit floor"])
def test_what_retention_leaves_cannot_be_forged(apart, client, collection):
    client.new_user()
    aged(apart, client, 1, days=40)
    sealed(apart, client)
    client.new_user()
    sealed(apart, client)
    forgotten(apart, 30)
    assert found(apart, client)["problems"] == []
    name = {"audit checkpoint": "last", "audit floor": "first"}[collection]
    value = entries(apart, client, collection)["changes"]
    value[name] += 1
    execute(
        apart,
        "UPDATE entry SET value = ? WHERE tenant = ? AND collection = ? AND key = 'changes'",
        json.dumps(value).encode(),
        tenant_of(client),
        collection,
    )
    assert "not the installation's" in str(found(apart, client)["problems"])


def test_a_forgotten_mark_in_the_database_hides_nothing(apart, client):
    """The store's own memory of what it forgot is no proof that it was lawful."""
    client.new_user()
    client.new_user()
    sealed(apart, client)
    ((position,),) = execute(apart, "SELECT min(sequence) FROM change WHERE tenant = ?", tenant_of(client))
    execute(apart, "DELETE FROM change WHERE sequence = ?", position)
    execute(apart, "INSERT INTO counter VALUES (?, '_forgotten', ?)", tenant_of(client), position)
    assert "the record was removed" in str(found(apart, client)["problems"])


def test_what_was_tampered_with_is_kept(apart, client):
    client.new_user()
    aged(apart, client, 1, days=40)
    sealed(apart, client)
    execute(apart, "UPDATE change SET actor = 'me' WHERE tenant = ?", tenant_of(client))
    forgotten(apart, 30)
    assert found(apart, client)["records"] == 1
    assert found(apart, client)["problems"] != []


def test_refused_attempts_are_sealed_and_go_after_retention(apart, client):
    old, new = "2020-01-01T00:00:00.000000Z", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    async def append(installation):
        lines = [Line(at, b'{"action":"create","status":409}') for at in (old, old, new)]
        await installation.store.for_tenant(tenant_of(client)).append("refused", lines)

    apart.administer(append)
    sealed(apart, client)
    assert found(apart, client, "refused")["records"] == 3
    forgotten(apart, 30)
    after = found(apart, client, "refused")
    assert (after["problems"], after["records"], after["forgotten"]) == ([], 1, 2)
    execute(apart, "DELETE FROM line WHERE tenant = ? AND log = 'refused'", tenant_of(client))
    assert "the record was removed" in str(found(apart, client, "refused")["problems"])


def verified_with(server, client, *heads):
    """The problems that the verification finds when it is given heads."""
    chains = server.administer(lambda installation: installation.audit.verify(tenant_of(client), heads))
    return [item["message"] for chain in chains for item in chain["problems"]]


def cut_off(server, client):
    """Removes the last block of the changes with what it sealed, as if they had never been."""
    number, block = list(entries(server, client, "audit block").items())[-1]
    positions = [record[0] for record in block["records"]]
    assert number.startswith("changes/")
    execute(
        server,
        "DELETE FROM entry WHERE tenant = ? AND collection = 'audit block' AND key = ?",
        tenant_of(client),
        number,
    )
    head = str(block["number"] - 1).encode()
    execute(
        server, "UPDATE entry SET value = ? WHERE tenant = ? AND collection = 'audit head'", head, tenant_of(client)
    )
    for position in positions:
        execute(server, "DELETE FROM change WHERE tenant = ? AND sequence = ?", tenant_of(client), position)


def test_an_end_that_was_cut_off_is_found_by_a_head_that_was_noted(apart, client):
    """Whoever removes the last records with their block leaves a chain in which nothing is wrong."""
    for _ in range(2):
        client.new_user()
        sealed(apart, client)
    head = found(apart, client)["head"]
    client.new_user()
    sealed(apart, client)
    assert verified_with(apart, client, head, found(apart, client)["head"]) == []
    cut_off(apart, client)
    assert verified_with(apart, client, head) == []
    cut_off(apart, client)
    assert verified_with(apart, client) == []
    assert ["the end was cut off" in problem for problem in verified_with(apart, client, head)] == [True]
    client.new_user()
    sealed(apart, client)
    assert verified_with(apart, client) == []
    assert verified_with(apart, client, head) == ["the block is not that of the head that was noted"]


def test_a_head_outlives_the_retention_of_its_block(apart, client):
    for _ in range(2):
        client.new_user()
    aged(apart, client, 2, 40)
    sealed(apart, client)
    old = found(apart, client)["head"]
    client.new_user()
    sealed(apart, client)
    new = found(apart, client)["head"]
    forgotten(apart, 30)
    assert len(entries(apart, client, "audit block")) == 1
    assert verified_with(apart, client, old, new) == []
    spoiled = old[:-4] + ("0000" if old[-4:] != "0000" else "1111")
    assert len(verified_with(apart, client, spoiled)) == 1, "the checkpoint has the digest of the last block that went"


def test_a_head_is_what_a_verification_prints(apart, client):
    client.new_user()
    sealed(apart, client)
    head = found(apart, client)["head"]
    with apart.client("/manage", apart.operator_token()) as manager:
        path = f"/tenants/{tenant_of(client)}/audit/verification"
        assert [chain["problems"] for chain in manager.get(path, heads=f"{head},{head}").ok()["chains"]] == [[], []]
        later = head.replace("/1/", "/7/")
        problems = [chain["problems"] for chain in manager.get(path, heads=later).ok()["chains"]]
        assert [[item["block"] for item in chain] for chain in problems] == [[7], []]
        assert manager.get(path, heads=head.rpartition("/")[2]).error == (400, "invalidValue")
        assert manager.get(path, heads=head.replace(tenant_of(client), "other")).error == (404, None)


def test_an_attack_is_counted_and_does_not_fill_the_disk(apart, client):
    bad = [client.post("/Users", b"{").status for _ in range(3)]
    assert bad == [400] * 3

    async def gather(installation):
        attempts = installation.attempts
        for _ in range(MOST + 7):
            attempts.note(tenant_of(client), {"action": "create"})
        await attempts.flush()
        return [entry async for entry in installation.audit.entries(tenant_of(client), Wanted(), refused=True)]

    noted = [entry for entry in apart.administer(gather) if "target" not in entry]
    assert len(noted) == MOST + 1
    assert noted[0]["attempts"] == 7


def test_nothing_is_kept_of_a_tenant_that_is_gone(apart, client):
    async def note(installation):
        name = tenant_of(client)
        installation.attempts.note(name, {"action": "create"})
        await installation.tenants.delete(name)
        await installation.attempts.flush()
        return await installation.store.for_tenant(name).lines("refused")

    assert apart.administer(note) == []


def verify_by_the_page(server, tenant, key):
    """What docs/reference/audit.md says, with nothing but the standard library."""
    blocks = execute(
        server,
        "SELECT value FROM entry WHERE tenant = ? AND collection = 'audit block' AND key LIKE 'changes/%' ORDER BY key",
        tenant,
    )
    columns = "sequence, type, id, version, kind, at, actor, connection, request_id, added, removed, before, after"
    changes = execute(server, f"SELECT {columns} FROM change WHERE tenant = ?", tenant)  # noqa: S608
    rows = {position: row for position, *row in changes}

    def digest(value):
        return hashlib.sha256(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()

    def payload(salt, *documents):
        parts = [salt.encode(), *(document or b"" for document in documents)]
        return hashlib.sha256(b"".join(b"%d:%b," % (len(part), part) for part in parts)).hexdigest()

    previous = digest([tenant, "changes"])
    for number, (text,) in enumerate(blocks, 1):
        block = json.loads(text)
        assert (block["number"], block["previous"]) == (number, previous)
        for position, salt, payload_digest, record_digest in block["records"]:
            *facts, added, removed, before, after = rows.pop(position)
            members = [json.loads(added or "[]"), json.loads(removed or "[]")]
            assert digest([position, *facts, *members, payload_digest]) == record_digest
            if salt:
                assert payload(salt, before, after) == payload_digest
            else:
                assert before is after is None
        unsalted = [[position, payload_, record] for position, _, payload_, record in block["records"]]
        assert digest([number, previous, unsalted]) == block["digest"]
        assert hmac.digest(key, block["digest"].encode(), "sha256").hex() == block["signature"]
        previous = block["digest"]
    return previous, len(rows)


def test_a_verifier_written_from_the_page_agrees(apart, client):
    ada = client.new_user(userName="ada", displayName="Ada Lovelace ☃", title='"quoted"')
    team = client.new_group(ada["id"])
    sealed(apart, client)
    client.patch(f"/Groups/{team['id']}", {"op": "remove", "path": "members"}).ok()
    client.delete(f"/Users/{ada['id']}").ok(204)
    client.post("/Users", user(userName="ada")).ok(201)
    apart.administer(lambda installation: installation.audit.erase(tenant_of(client), "User", ada["id"], actor="cli"))
    sealed(apart, client)
    key = apart.administer(_audit_key)
    head, unsealed = verify_by_the_page(apart, tenant_of(client), key)
    result = found(apart, client)
    assert (result["problems"], result["head"].split("/")[-1], unsealed) == ([], head, 0)
    assert result["erased"] == 2


async def _audit_key(installation):
    return derived(installation.key, "audit")
