"""The options of a PostgreSQL URL do what they do in libpq, and what cannot be had is said plainly."""

import asyncio
import socket
import time
from contextlib import closing, contextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from headcount.store.interface import StoreError
from headcount.store.postgresql import database
from processes import refusal, run
from torture.deployments import Installation, administer, new_tenant, serving


@pytest.fixture(scope="module")
def installation(new_installation):
    """One database for all of this."""
    return new_installation()


def with_hosts(url, *hosts, **options):
    """The URL with these hosts in place of its own, and with options."""
    parts = urlsplit(url)
    login, _, own = parts.netloc.rpartition("@")
    netloc = f"{login}@{','.join(own if host is None else host for host in hosts or (None,))}"
    query = "&".join(f"{name}={quote(str(value))}" for name, value in options.items())
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def asked(url, statement):
    """The value that a statement gives on a connection of the kind that the store makes, and the seconds it took."""

    async def ask():
        connection = await database.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    started = time.monotonic()
    return asyncio.run(ask()), time.monotonic() - started


@contextmanager
def silent_host():
    """A host that takes connections and then says nothing, as one does whose machine hangs."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def closed_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("absent", [silent_host, closed_port], ids=["silent", "refusing"])
@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_of_several_hosts_one_that_answers_is_found_soon(installation, absent, order):
    with absent() as host:
        value, seconds = asked(with_hosts(installation.url, *[host, None][::order]), "SELECT 1")
    assert value == 1
    assert seconds < 2


def test_the_primary_is_found_among_several_hosts(postgresql, installation):
    standby = postgresql.standby(postgresql.folder.parent / "standby")
    standby.start()
    try:
        name = urlsplit(installation.url).path[1:]
        hosts = [urlsplit(one.url(name)).netloc.rpartition("@")[2] for one in (standby, postgresql)]
        in_recovery = "SELECT pg_is_in_recovery()"
        expected = {
            "any": True,
            "primary": False,
            "read-write": False,
            "standby": True,
            "read-only": True,
            "prefer-standby": True,
        }
        for order in (1, -1):
            ordered = hosts[::order]
            found = {
                wanted: asked(with_hosts(installation.url, *ordered, target_session_attrs=wanted), in_recovery)[0]
                for wanted in expected
            }
            assert found == expected | {"any": order == 1}
        only = with_hosts(installation.url, hosts[1], target_session_attrs="prefer-standby")
        assert asked(only, in_recovery)[0] is False
        with pytest.raises(StoreError, match="match the target attribute"):
            asked(with_hosts(installation.url, hosts[0], target_session_attrs="read-write"), in_recovery)
    finally:
        standby.stop(for_good=True)


@pytest.mark.parametrize(
    ("options", "setting", "value"),
    [
        ({"application_name": "my name"}, "application_name", "my name"),
        ({}, "application_name", "headcount"),
        ({"options": "-csearch_path=elsewhere"}, "search_path", "elsewhere"),
        ({"options": "-cstatement_timeout=7s -clock_timeout=3s"}, "statement_timeout", "7s"),
        ({"keepalives_idle": "30", "gssencmode": "disable"}, "application_name", "headcount"),
        ({"sslmode": "prefer"}, "application_name", "headcount"),
        ({"sslmode": "disable"}, "application_name", "headcount"),
    ],
)
def test_options_reach_the_session(installation, options, setting, value):
    assert asked(with_hosts(installation.url, **options), f"SELECT current_setting('{setting}')")[0] == value


def test_everything_is_kept_in_the_schema_that_the_search_path_names(postgresql, installation):
    name = urlsplit(installation.url).path[1:]
    postgresql.sql("CREATE SCHEMA elsewhere", name)
    elsewhere = with_hosts(installation.url, options="-csearch_path=elsewhere")
    new_tenant(elsewhere, "other")
    kept = {
        url: [one["name"] for one in administer(url, lambda opened: opened.tenants.list())]
        for url in (elsewhere, installation.url)
    }
    assert kept == {elsewhere: ["other"], installation.url: ["acme"]}


def test_connect_timeout_bounds_the_wait_for_a_host_that_says_nothing(installation):
    started = time.monotonic()
    with silent_host() as host, pytest.raises(StoreError, match="cannot connect to"):
        asked(with_hosts(installation.url, host, connect_timeout=1), "SELECT 1")
    assert 0.9 < time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # the server of these tests is built without TLS
        (lambda url: with_hosts(url, sslmode="require"), "rejected SSL upgrade"),
        (lambda url: with_hosts(url, sslmode="nonsense"), "sslmode"),
        (lambda url: with_hosts(url, target_session_attrs="nonsense"), "target_session_attrs"),
        (lambda url: with_hosts(url, connect_timeout="soon"), "could not convert string to float"),
        (lambda url: url.replace("headcount:", "headcount:wrong"), "password authentication failed"),
        (lambda url: url + "x", "does not exist"),
    ],
    ids=["no-tls", "bad-sslmode", "bad-target", "bad-timeout", "bad-password", "no-database"],
)
def test_a_url_that_leads_nowhere_ends_the_command_with_one_line_and_without_the_password(
    tmp_path, installation, change, reason
):
    url = change(installation.url)
    code, line = refusal(run(tmp_path, "tenant", "list", settings={"HEADCOUNT_DATABASE": url}))
    assert code == 1
    assert line.startswith("error: cannot connect to postgresql://127.0.0.1:")
    assert reason in line
    assert urlsplit(url).password not in line


def test_a_server_with_a_silent_host_in_its_url_serves_from_the_other(tmp_path, installation):
    with silent_host() as host:
        url = with_hosts(installation.url, host, None, target_session_attrs="primary")
        with serving(tmp_path, Installation(url, installation.token)) as (_, client):
            made = client.new_user()
            assert client.get(f"/Users/{made['id']}").ok()["userName"] == made["userName"]
