"""Several processes write to one SQLite file at once: nothing is lost, and nobody is told that it is locked."""

import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from processes import COMMAND, LONG, answer, environment, patch, quickstart, server, user

TENANT = "urn:headcount:params:scim:schemas:core:1.0:Tenant"
TOKEN = "urn:headcount:params:scim:schemas:core:1.0:AccessToken"
EACH = 40
"""Users that one client creates."""


def test_two_servers_and_the_command_line_write_to_one_file(tmp_path):
    with ExitStack() as stack:
        first = stack.enter_context(quickstart(tmp_path))
        second = stack.enter_context(server(tmp_path))
        token = first.said["token"]
        clients = [stack.enter_context(running.client(token)) for running in (first, second, first, second)]
        group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "all"}
        group_url = f"/Groups/{clients[0].post('/Groups', json=group).json()['id']}"

        def provision(number):
            """Each client creates users and adds them to the group that the others change as well."""
            client, statuses = clients[number], []
            for count in range(EACH):
                made = client.post("/Users", json=user(f"client{number}-{count}"))
                joining = patch({"op": "add", "path": "members", "value": [{"value": made.json().get("id")}]})
                joined = client.patch(group_url, json=joining, params={"attributes": "displayName"})
                statuses += [made.status_code, joined.status_code]
            return statuses

        def administer(number):
            return answer(tmp_path, "tenant", "create", f"tenant{number}")["name"]

        with ThreadPoolExecutor(len(clients) + 1) as pool:
            provisioning = [pool.submit(provision, number) for number in range(len(clients))]
            administering = [pool.submit(administer, number) for number in range(3)]
            statuses = [status for future in provisioning for status in future.result()]
            made = {future.result() for future in administering}

        assert set(statuses[::2]) == {201}
        assert set(statuses[1::2]) == {200}
        names = {f"client{number}-{count}" for number in range(len(clients)) for count in range(EACH)}
        for client in clients[:2]:
            listed = client.get("/Users", params={"count": 1000}).json()
            members = client.get(group_url).json()["members"]
            assert {one["userName"] for one in listed["Resources"]} == names
            assert listed["totalResults"] == len(names)
            assert {one["value"] for one in members} == {one["id"] for one in listed["Resources"]}
        assert made <= {tenant["name"] for tenant in answer(tmp_path, "tenant", "list")}
        assert "locked" not in first.log + second.log


def test_of_two_writers_that_set_one_unique_value_exactly_one_wins(tmp_path):
    with (
        quickstart(tmp_path) as first,
        server(tmp_path) as second,
        first.client() as one,
        second.client(first.said["token"]) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        for count in range(20):
            body = user(f"only-{count}")
            futures = [pool.submit(client.post, "/Users", json=body) for client in (one, other)]
            assert sorted(future.result().status_code for future in futures) == [201, 409]
        assert one.get("/Users").json()["totalResults"] == 20


def test_two_servers_that_create_one_tenant_at_once_take_nothing_from_whoever_has_it(tmp_path):
    with ExitStack() as stack:
        servers = [stack.enter_context(opened(tmp_path)) for opened in (quickstart, server)]
        operator = answer(tmp_path, "token", "create", "--operator", "--name", "operator")["token"]
        database = stack.enter_context(closing(sqlite3.connect(tmp_path / "headcount.db", isolation_level=None)))
        pool = stack.enter_context(ThreadPoolExecutor(len(servers)))

        def create(running, name):
            """Whoever makes the tenant goes on at once to put somebody into it, who has to stay."""
            with running.operator_client(operator) as client:
                made = client.post("/Tenants", json={"schemas": [TENANT], "name": name}).status_code
                if made == 409:
                    return made, None
                token = {"schemas": [TOKEN], "tenant": name, "name": "first"}
                token = client.post("/AccessTokens", json=token).json()["token"]
            with running.client(token, name) as client:
                return made, client.post("/Users", json=user("ada")).status_code

        for count in range(2):
            database.execute("BEGIN IMMEDIATE")  # both look who has the name before either can take it
            futures = [pool.submit(create, running, f"twice-{count}") for running in servers]
            time.sleep(0.3)
            database.execute("COMMIT")
            assert {future.result() for future in futures} == {(201, 201), (409, None)}
        kept = database.execute(
            "SELECT count(*) FROM resource WHERE tenant LIKE 'twice-%' AND type = 'User'"
        ).fetchone()
        assert kept == (2,)


def test_processes_that_create_one_database_at_the_same_moment_agree_on_it(tmp_path):
    line = [*COMMAND, "db", "migrate", "--json"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(line, cwd=tmp_path, env=environment(), **streams) for _ in range(6)]
    outputs = [process.communicate(timeout=LONG) for process in processes]

    assert [process.returncode for process in processes] == [0] * 6
    assert [errors for _, errors in outputs] == [""] * 6
    applied = [printed for printed, _ in outputs if printed != '{"applied": []}\n']
    assert len(applied) == 1
    assert {row["state"] for row in answer(tmp_path, "db", "status")} == {"applied"}
