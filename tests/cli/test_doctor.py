"""`headcount doctor`: what it says of real databases in the state that it is about."""

import json
import sqlite3
from contextlib import closing
from itertools import count

import pytest

from headcount.testing.postgresql import temporary_postgresql
from processes import answer, refusal, run

DATABASES = count(1)
TRIGRAM_INDEXES = ["resource_display_name_trigram", "resource_user_name_trigram", "indexed_value_trigram"]


@pytest.fixture(scope="module")
def postgresql():
    with temporary_postgresql() as server:
        yield server


@pytest.fixture
def place(postgresql, tmp_path):
    """A folder, and the name of a current PostgreSQL database that its commands use."""
    name = f"doctor{next(DATABASES)}"
    settings = {"HEADCOUNT_DATABASE": postgresql.create_database(name)}
    answer(tmp_path, "db", "migrate", settings=settings)
    return Place(tmp_path, settings, name, postgresql)


class Place:
    def __init__(self, folder, settings, name, server):
        self.folder, self.settings, self.name, self.server = folder, settings, name, server

    def sql(self, statement):
        return self.server.sql(statement, self.name)


def findings(place, *options, exit_code=0, **settings):
    """(state, message, advice) by check, and what was repaired."""
    folder, given = (place.folder, place.settings) if isinstance(place, Place) else (place, {})
    done = run(folder, "doctor", "--json", *options, settings=given | settings)
    assert (done.returncode, done.stderr) == (exit_code, ""), done
    said = json.loads(done.stdout)
    found = {item["check"]: (item["state"], item["message"], item["advice"]) for item in said["findings"]}
    return found, said["repaired"]


def states(found):
    return {check: state for check, (state, *_) in found.items()}


@pytest.fixture
def file(tmp_path):
    answer(tmp_path, "tenant", "create", "acme")
    return tmp_path


def test_a_healthy_file_has_nothing_but_the_url_that_is_the_default(file):
    found, repaired = findings(file)
    assert repaired == []
    assert states(found) == dict.fromkeys(["database", "migrations", "integrity", "indexes", "file mode", "disk", "tokens"], "ok") | {
        "public URL": "warning"
    }  # fmt: skip
    assert "headcount.db" in found["database"][1]
    assert found["public URL"][2] == "set HEADCOUNT_PUBLIC_URL to the URL that clients use"


@pytest.mark.parametrize(
    ("url", "state", "part"),
    [
        ("https://scim.example.com", "ok", "https://scim.example.com"),
        ("http://scim.example.com", "warning", "travel in the clear"),
        ("http://localhost:8000", "warning", "only this machine reaches"),
        ("https://127.0.0.1", "warning", "only this machine reaches"),
    ],
)
def test_the_public_url_is_one_that_clients_reach_and_may_trust(file, url, state, part):
    found, _ = findings(file, HEADCOUNT_PUBLIC_URL=url)
    assert found["public URL"][0] == state
    assert part in found["public URL"][1]


@pytest.mark.parametrize(("expires", "state"), [("1d", "warning"), ("30d", "warning"), ("721h", "ok"), ("730d", "ok")])
def test_a_token_that_ends_within_30_days_is_spoken_of(file, expires, state):
    answer(file, "token", "create", "--tenant", "acme", "--name", "Okta", "--expires", expires)
    found, _ = findings(file)
    expected = {"1d": "0 days", "30d": "29 days"}.get(expires, "none ends within 30 days")
    assert found["tokens"][0] == state
    assert expected in found["tokens"][1]


def test_a_token_that_was_revoked_or_never_ends_is_not_spoken_of(file):
    made = answer(file, "token", "create", "--tenant", "acme", "--name", "Okta", "--expires", "1d")
    answer(file, "token", "revoke", made["id"])
    answer(file, "token", "create", "--tenant", "acme", "--name", "Okta", "--never-expires")
    assert findings(file)[0]["tokens"][0] == "ok"


def test_a_file_that_others_may_read_is_told_with_the_command_that_closes_it(file):
    (file / "headcount.db").chmod(0o640)
    found, _ = findings(file)
    assert found["file mode"][0] == "warning"
    assert found["file mode"][2].startswith("chmod 600 headcount.db")


def test_what_is_missing_is_broken_and_nothing_is_created_by_looking(tmp_path):
    for options in ([], ["--fix"]):
        found, repaired = findings(tmp_path, *options, exit_code=1)
        assert found["database"][:2] == ("broken", "there is no database headcount.db")
        assert repaired == []
    assert list(tmp_path.iterdir()) == []


def test_another_program_s_file_and_a_file_that_is_none_are_broken(tmp_path):
    with closing(sqlite3.connect(tmp_path / "headcount.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    assert findings(tmp_path, exit_code=1)[0]["database"][:2] == (
        "broken",
        "the database holds the tables of another program",
    )
    (tmp_path / "headcount.db").write_bytes(b"no database at all" * 1000)
    assert findings(tmp_path, exit_code=1)[0]["database"][0] == "broken"


def test_a_damaged_file_is_broken(file):
    with closing(sqlite3.connect(file / "headcount.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'resource_title'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (file / "headcount.db").open("r+b") as damaged:
        damaged.seek((page - 1) * size)
        damaged.write(b"\x00" * size)
    found, _ = findings(file, exit_code=1)
    assert found["integrity"][0] == "broken"
    assert "restore a backup" in found["integrity"][2]


def test_a_missing_index_of_a_file_is_told_and_made(file):
    with closing(sqlite3.connect(file / "headcount.db")) as connection:
        (before,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'resource_title'").fetchone()
        connection.execute("DROP INDEX resource_title")
    found, _ = findings(file)
    assert found["indexes"][0] == "warning"
    assert "resource_title" in found["indexes"][1]
    found, repaired = findings(file, "--fix")
    assert (found["indexes"][0], repaired) == ("ok", ["made the index resource_title"])
    with closing(sqlite3.connect(file / "headcount.db")) as connection:
        assert connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'resource_title'").fetchone() == (before,)


def test_a_key_file_that_is_not_there_is_broken(file):
    found, _ = findings(file, exit_code=1, HEADCOUNT_INSTALLATION_KEY_FILE=str(file / "none"))
    assert found["installation key"][0] == "broken"


def test_a_healthy_postgresql_is_all_right(place):
    found, repaired = findings(place, HEADCOUNT_PUBLIC_URL="https://scim.example.com")
    assert repaired == []
    assert states(found) == dict.fromkeys(
        ["public URL", "database", "version", "encoding", "durability", "pooler", "planning", "connections", "migrations", "trigrams", "indexes", "tokens"],
        "ok",
    )  # fmt: skip
    assert found["encoding"][1] == "UTF8"


def test_a_postgresql_that_is_not_there_is_broken_and_the_password_is_not_told(tmp_path):
    found, _ = findings(tmp_path, exit_code=1, HEADCOUNT_DATABASE="postgresql://me:secret@127.0.0.1:1/none")
    assert found["database"][0] == "broken"
    assert "127.0.0.1:1" in found["database"][1]
    assert "secret" not in json.dumps(found)


def test_a_postgresql_without_a_schema_or_with_an_older_one_is_broken(postgresql, tmp_path):
    name = f"doctor{next(DATABASES)}"
    settings = {"HEADCOUNT_DATABASE": postgresql.create_database(name)}
    fresh = Place(tmp_path, settings, name, postgresql)
    for options in ([], ["--fix"]):
        found, repaired = findings(fresh, *options, exit_code=1)
        assert found["migrations"][0] == "broken"
        assert "0001 directory" in found["migrations"][1]
        assert (found["migrations"][2], repaired) == ("run 'headcount db migrate'", [])
    assert "indexes" not in found
    assert fresh.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"


def test_without_trigrams_it_says_what_is_slower_and_what_an_administrator_runs(place):
    place.sql("DROP EXTENSION pg_trgm CASCADE")
    found, _ = findings(place)
    state, message, advice = found["trigrams"]
    assert (state, found["indexes"][0]) == ("warning", "ok")
    assert "displayName co" in message
    assert "CREATE EXTENSION pg_trgm;" in advice
    assert "btree_gin" not in advice


def test_indexes_are_made_when_the_extension_arrives_later(place):
    before = indexes(place)
    assert {line.split("|")[0] for line in before} >= set(TRIGRAM_INDEXES)
    place.sql("DROP EXTENSION pg_trgm CASCADE")
    place.sql("DROP INDEX resource_title")
    place.sql("CREATE EXTENSION pg_trgm")
    found, _ = findings(place)
    assert (found["trigrams"][0], found["indexes"][0]) == ("ok", "warning")
    assert all(name in found["indexes"][1] for name in TRIGRAM_INDEXES)

    found, repaired = findings(place, "--fix")
    assert found["indexes"][0] == "ok"
    assert sorted(repaired) == sorted(f"made the index {name}" for name in [*TRIGRAM_INDEXES, "resource_title"])
    assert indexes(place) == before


def test_an_extension_that_this_account_may_add_is_added(place):
    place.sql("DROP EXTENSION pg_trgm CASCADE")
    found, repaired = findings(place, "--fix")
    assert repaired[0] == "added the extension pg_trgm"
    assert (found["trigrams"][0], found["indexes"][0]) == ("ok", "ok")


def test_an_index_whose_making_was_interrupted_is_made_anew(place):
    place.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'resource_title'::regclass")
    assert "resource_title" in findings(place)[0]["indexes"][1]
    assert findings(place, "--fix")[1] == ["made the index resource_title"]
    assert findings(place)[0]["indexes"][0] == "ok"


def indexes(place):
    return sorted(place.sql("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'").splitlines())


@pytest.mark.parametrize(
    ("setting", "harm"),
    [
        ("synchronous_commit", "a crash loses writes that were answered with success"),
        ("fsync", "a crash of the machine may destroy the database"),
    ],
)
def test_a_setting_that_loses_data_is_broken(tmp_path, setting, harm):
    with temporary_postgresql(settings={setting: "off"}) as server:
        settings = {"HEADCOUNT_DATABASE": server.url()}
        answer(tmp_path, "db", "migrate", settings=settings)
        found, _ = findings(Place(tmp_path, settings, "postgres", server), exit_code=1)
    assert found["durability"][:2] == ("broken", f"{setting} is off: {harm}")
    assert found["durability"][2] == f"ALTER SYSTEM RESET {setting}; SELECT pg_reload_conf();"


@pytest.mark.parametrize(("connections", "state"), [(98, "ok"), (99, "warning")])
def test_workers_that_may_open_more_connections_than_there_are_is_a_warning(place, connections, state):
    """The server of the tests allows 200, 3 of them to superusers only; two workers share the rest."""
    found, _ = findings(place, HEADCOUNT_WORKERS="2", HEADCOUNT_DATABASE_CONNECTIONS=str(connections))
    assert found["connections"][0] == state


def test_a_setting_for_a_pooler_that_is_not_there_is_a_warning(place):
    found, _ = findings(place, HEADCOUNT_DATABASE_POOLER="transaction")
    assert found["pooler"][0] == "warning"
    assert "HEADCOUNT_DATABASE_POOLER" in found["pooler"][2]


def test_what_a_pooler_keeps_from_being_set_is_a_warning_until_the_role_has_it(place):
    pooled = {"HEADCOUNT_DATABASE_POOLER": "transaction"}
    state, message, advice = findings(place, **pooled)[0]["planning"]
    assert (state, message.split(":")[0]) == (
        "warning",
        "enable_seqscan, jit, enable_memoize cannot be set through a pooler",
    )
    for statement in advice.partition(": ")[2].split(";")[:-1]:
        place.sql(statement.replace("SET", f"IN DATABASE {place.name} SET"))
    assert findings(place, **pooled)[0]["planning"][0] == "ok"


def test_an_encoding_that_cannot_hold_every_name_is_broken(postgresql, tmp_path):
    name = f"doctor{next(DATABASES)}"
    postgresql.sql(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0")
    settings = {"HEADCOUNT_DATABASE": postgresql.url(name)}
    found, _ = findings(Place(tmp_path, settings, name, postgresql), exit_code=1)
    assert found["encoding"][:2] == ("broken", "LATIN1 cannot hold every name")


def test_people_read_one_line_for_each_finding_and_what_to_do_below_it(file):
    done = run(file, "doctor")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].startswith("warning public URL")
    assert lines[1].strip() == "→ set HEADCOUNT_PUBLIC_URL to the URL that clients use"
    assert lines[2].split()[:2] == ["ok", "database"]


def test_a_repair_that_cannot_reach_the_database_is_one_line(tmp_path):
    done = run(tmp_path, "doctor", "--fix", "--database", "postgresql://127.0.0.1:1/none")
    exit_code, line = refusal(done)
    assert exit_code == 1
    assert line.startswith("error: cannot connect to postgresql://127.0.0.1:1/none")
