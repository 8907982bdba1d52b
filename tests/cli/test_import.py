"""`headcount import`: people and groups from lines, in real processes, on both databases."""

import asyncio
import json
import resource
import sqlite3
import subprocess
from contextlib import closing
from itertools import count

import asyncpg
import pytest

from headcount.assembly import open_installation
from headcount.directory.tenant import PasswordPolicy
from headcount.settings import Settings
from headcount.store.interface import Query, Target
from headcount.testing.postgresql import temporary_postgresql
from processes import COMMAND, GROUP, LONG, USER, answer, environment, eventually, refusal, run, user

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DEVICE = "urn:example:scim:schemas:Device"
COUNT = "SELECT count(*) FROM resource WHERE tenant = 'acme'"
NUMBERS = count(1)


@pytest.fixture(scope="module")
def postgresql():
    with temporary_postgresql(settings={"fsync": "off"}) as server:  # no machine crashes here
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """A folder, and the settings under which its commands find a database with the tenant `acme`."""
    settings = {}
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        settings["HEADCOUNT_DATABASE"] = server.create_database(f"import{next(NUMBERS)}")
    return made(tmp_path, settings)


@pytest.fixture
def here(tmp_path):
    """The same on SQLite, where the database does not matter."""
    return made(tmp_path, {})


def made(folder, settings, **options):
    place = folder, settings
    asyncio.run(with_installation(place, lambda installation: installation.tenants.create("acme", **options)))
    return place


def group(name, *members, **attributes):
    return {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members], **attributes}


def text_of(lines):
    return "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)


def load(place, lines, *options, exit_code=0):
    """The summary of an import of these lines, and what it says of rejected ones."""
    folder, settings = place
    file = folder / "people.ndjson"
    file.write_text(text_of(lines), "utf-8")
    done = run(folder, "import", file.name, "--tenant", "acme", "--json", *options, settings=settings)
    assert (done.returncode, done.stderr) == (exit_code, ""), done
    rejects = folder / "people.ndjson.rejected.ndjson"
    told = [json.loads(line) for line in rejects.read_text("utf-8").splitlines()] if rejects.exists() else []
    return json.loads(done.stdout), told


def summary(lines, created=0, present=0, rejected=0):
    rejects = "people.ndjson.rejected.ndjson" if rejected else None
    return {"lines": lines, "created": created, "present": present, "rejected": rejected, "rejects": rejects}


def kept(place):
    """Everything in the tenant, read through a store of its own."""
    return asyncio.run(with_installation(place, shown))


async def shown(installation):
    store = installation.store.for_tenant("acme")
    tenant = await installation.tenants.load("acme", "http://localhost")
    found = []
    for kind in tenant.registry.resource_types:
        page = await store.search(Query((Target(kind),), 100_000, groups=False))
        for row in page.resources:
            private = (await store.read(row.type, row.id, private=True)).private
            members = sorted([member.id for member in await store.members(row.id, limit=200_000)])
            derived = {"type": row.type, "version": row.version, "total": page.total, "members": members}
            found.append(json.loads(row.document) | derived | {"private": json.loads(private) if private else None})
    actors = {(change["actor"], change["requestId"]) async for change in store.changes()}
    return {"resources": found, "actors": sorted(actors), "records": len(await store.records("import"))}


async def with_installation(place, action):
    folder, settings = place
    given = {"HEADCOUNT_DATABASE": f"sqlite:///{folder}/headcount.db"} | settings
    async with open_installation(Settings.from_environment(given)) as installation:
        return await action(installation)


def by_name(found):
    return {item.get("userName") or item["displayName"]: item for item in found["resources"]}


def test_people_and_groups_go_in_with_members_named_by_what_the_file_knows_of_them(place):
    lines = [
        user("ada@example.com", externalId="4711", title="Countess"),
        user("Grace@Example.com", **{ENTERPRISE: {"manager": {"value": "userName:ADA@example.com"}}}),
        group("Outer", externalId="outer") | {"members": [{"value": "displayName:inner"}]},
        group("Inner", "userName:grace@example.COM", "externalId:4711"),
        group("Another") | {"members": [{"value": "externalId:outer", "type": "Group"}]},
    ]
    assert load(place, lines) == (summary(5, created=5), [])

    found = kept(place)
    people = by_name(found)
    ada, grace = people["ada@example.com"]["id"], people["Grace@Example.com"]["id"]
    assert people["ada@example.com"]["title"] == "Countess"
    assert people["Grace@Example.com"][ENTERPRISE]["manager"]["value"] == ada
    assert people["Inner"]["members"] == sorted([ada, grace])
    assert people["Outer"]["members"] == [people["Inner"]["id"]]
    assert people["Another"]["members"] == [people["Outer"]["id"]]
    assert (found["actors"], found["records"]) == ([("cli", "import")], 0)
    assert {item["version"] for item in found["resources"]} == {1}


def test_members_may_be_named_by_id_as_well(place):
    load(place, [user("ada")])
    ada = by_name(kept(place))["ada"]["id"]
    assert load(place, [group("One", ada)]) == (summary(1, created=1), [])
    assert by_name(kept(place))["One"]["members"] == [ada]


def test_a_file_that_is_imported_again_changes_nothing(place):
    lines = [user("ada"), user("grace", externalId="7"), group("A", "userName:ada"), group("B", externalId="b")]
    load(place, lines)
    before = kept(place)
    assert load(place, lines) == (summary(4, present=4), [])
    assert load(place, [*lines, user("new")]) == (summary(5, created=1, present=4), [])
    after = kept(place)
    assert [item for item in after["resources"] if item.get("userName") != "new"] == [
        item | {"total": item["total"] + (item["type"] == "User")} for item in before["resources"]
    ]


def test_members_that_a_group_lacks_are_added_when_it_is_imported_again(place):
    load(place, [user("ada"), user("grace"), group("A", "userName:ada")])
    assert load(place, [group("A", "userName:grace")]) == (summary(1, present=1), [])
    people = by_name(kept(place))
    assert people["A"]["members"] == sorted([people["ada"]["id"], people["grace"]["id"]])


@pytest.mark.parametrize(
    ("line", "scim_type", "detail"),
    [
        ("{", "invalidSyntax", "not valid JSON"),
        ("[]", "invalidSyntax", "The line must be a JSON object."),
        (f'{{"schemas":["{USER}"],"userName":"a","userName":"b"}}', "invalidSyntax", "userName"),
        ({"userName": "nobody"}, "invalidSyntax", "names a resource type"),
        ({"schemas": ["urn:example:none"], "userName": "x"}, "invalidSyntax", "names a resource type"),
        ({"schemas": [USER]}, "invalidValue", "'userName' is required"),
        (user("x", active="perhaps"), "invalidValue", "active"),
        (user("TAKEN", title="other"), "uniqueness", "userName"),
        (group("G", "userName:nobody"), "invalidValue", "'userName:nobody' is nobody in the tenant, nor on an earlier line."),
        (group("G", "0190a6b0-0000-7000-8000-000000000000"), "invalidValue", "there is no resource '0190a6b0-0000-7000-8000-000000000000'"),
        (group("G", "externalId:twice"), "invalidValue", "'externalId:twice' names 2 resources"),
        (group("Other", externalId="g"), "uniqueness", "externalId"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_go_in_is_told_by_number_and_skipped(here, line, scim_type, detail):
    before = [
        user("taken"),
        user("a1", externalId="twice"),
        user("a2", externalId="twice"),
        group("G0", externalId="g"),
    ]
    done, told = load(here, [*before, "", line, user("behind")], exit_code=2)

    assert done == summary(7, created=5, rejected=1)
    assert [(item["line"], item["scimType"]) for item in told] == [(6, scim_type)]
    assert detail in told[0]["detail"]
    assert "behind" in by_name(kept(here))


def test_one_bad_line_among_many_good_ones_is_the_only_one_that_is_missing(place):
    lines = [user(f"person{number}") for number in range(450)]
    lines[217] = user("person3", title="other")
    done, told = load(place, lines, exit_code=2)
    assert (done, [item["line"] for item in told]) == (summary(450, created=449, rejected=1), [218])
    assert by_name(kept(place)).keys() == {f"person{number}" for number in range(450)} - {"person217"}


def test_the_first_of_two_lines_wins_also_where_the_second_is_written_faster(tmp_path):
    place = made(tmp_path, {}, passwords=PasswordPolicy.HASH)
    lines = [user(f"person{number}") for number in range(450)]
    lines[3] |= {"password": "takes a while to hash"}
    lines[217] = user("person3", title="other")
    done, told = load(place, lines, exit_code=2)
    assert (done, [item["line"] for item in told]) == (summary(450, created=449, rejected=1), [218])


def test_the_same_person_or_group_twice_in_a_file_is_created_once(place):
    lines = [
        user("ada"),
        user("ADA"),
        user("ada"),
        group("A", externalId="1"),
        group("A", externalId="1"),
        group("B"),
        group("B"),
    ]
    done, told = load(place, lines, exit_code=2)
    assert done == summary(7, created=3, present=3, rejected=1)
    assert [item["line"] for item in told] == [2]


def test_a_line_may_be_as_long_as_a_group_and_no_longer(tmp_path):
    place = made(tmp_path, {"HEADCOUNT_GROUP_BODY_BYTES": "1000"})
    fits = json.dumps(user("fits", title=""))
    fits = fits.replace('"title": ""', '"title": "' + "x" * (1000 - len(fits)) + '"')
    too_long = fits.replace("fits", "over").replace("xxx", "xxxx", 1)
    assert (len(fits), len(too_long)) == (1000, 1001)

    done, told = load(place, [fits, too_long, user("behind"), too_long * 5], exit_code=2)
    assert done == summary(4, created=2, rejected=2)
    assert [(item["line"], item["detail"]) for item in told] == [
        (2, "The line is longer than 1000 bytes."),
        (4, "The line is longer than 1000 bytes."),
    ]
    assert by_name(kept(place)).keys() == {"fits", "behind"}


def test_custom_types_are_told_by_their_schema_or_by_the_resource_type_in_meta(place):
    folder, settings = place
    documents = [
        {"id": DEVICE, "name": "Device", "attributes": [{"name": "serial", "type": "string", "uniqueness": "server"}]},
        {"name": "Device", "endpoint": "/Devices", "schema": DEVICE},
        {"name": "Machine", "endpoint": "/Machines", "schema": DEVICE},
    ]
    (folder / "device.json").write_text(json.dumps(documents))
    answer(folder, "schema", "add", "device.json", "--tenant", "acme", settings=settings)
    lines = [
        {"schemas": [DEVICE], "serial": "1"},
        {"schemas": [DEVICE], "serial": "2", "meta": {"resourceType": "Machine"}},
        {"schemas": [DEVICE], "serial": "1"},
        {"schemas": [DEVICE], "serial": "2"},
    ]
    done, told = load(place, lines, exit_code=2)
    assert done == summary(4, created=2, present=1, rejected=1)
    assert [(item["line"], item["scimType"]) for item in told] == [(4, "uniqueness")]
    assert [(item["type"], item["serial"]) for item in kept(place)["resources"]] == [("Device", "1"), ("Machine", "2")]


@pytest.mark.parametrize(("policy", "beginning"), [("discard", None), ("hash", "$argon2id$")])
def test_passwords_are_handled_as_the_tenant_s_policy_says(tmp_path, policy, beginning):
    place = made(tmp_path, {}, passwords=policy)
    load(place, [user("ada", password="correct horse")])
    private = by_name(kept(place))["ada"]["private"]
    assert "correct horse" not in (tmp_path / "headcount.db").read_bytes().decode("latin-1")
    assert private is None if beginning is None else private["password"].startswith(beginning)


def test_standard_input_is_read_as_it_comes(place):
    folder, settings = place
    lines = "\ufeff" + text_of([user("ada"), user("grace"), "no"])
    done = run(folder, "import", "-", "--tenant", "acme", "--json", settings=settings, stdin=lines)
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["rejects"] == "stdin.rejected.ndjson"
    assert json.loads((folder / "stdin.rejected.ndjson").read_text())["line"] == 3
    assert by_name(kept(place)).keys() == {"ada", "grace"}


def test_people_read_a_sentence_and_where_the_rejected_lines_are(here):
    folder, _ = here
    (folder / "p.ndjson").write_text(text_of([user("ada"), "no"]))
    done = run(folder, "import", "p.ndjson", "--tenant", "acme", "--rejects", "bad.ndjson")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout == "2 lines: 1 created, 0 were there already. 1 were rejected: see bad.ndjson.\n"
    assert (folder / "bad.ndjson").stat().st_mode & 0o777 == 0o600


def test_an_import_without_rejected_lines_leaves_no_file_behind(here):
    folder, _ = here
    load(here, [user("ada"), "no"], exit_code=2)
    assert load(here, [user("ada")]) == (summary(1, present=1), [])
    assert [path.name for path in folder.glob("*rejected*")] == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["none.ndjson", "--tenant", "acme"], 2, "none.ndjson: No such file or directory"),
        (["empty.ndjson", "--tenant", "nobody"], 1, "There is no tenant 'nobody'."),
        (["empty.ndjson", "--tenant", "acme", "--rejects", "no/where"], 2, "no/where: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(here, arguments, exit_code, message):
    folder, _ = here
    (folder / "empty.ndjson").write_text("")
    assert refusal(run(folder, "import", *arguments)) == (exit_code, f"error: {message}")


def test_an_import_that_is_killed_anywhere_goes_on_and_creates_nobody_twice(place):
    folder, settings = place
    size = 1_500
    lines = [user(f"person{number}", externalId=str(number)) for number in range(size)]
    lines += [group(f"Group {number}", f"userName:person{number}") for number in range(100)]
    lines[300], lines[900] = "bad", "worse"
    (folder / "people.ndjson").write_text(text_of(lines))
    command = [*COMMAND, "import", "people.ndjson", "--tenant", "acme", "--json"]
    kills = 0
    for created in (400, 1_550):
        with subprocess.Popen(command, cwd=folder, env=environment(**settings), stdout=subprocess.PIPE) as process:
            eventually(lambda: process.poll() is not None or total(place) >= created)  # noqa: B023
            kills += process.poll() is None
            process.kill()
    assert kills > 0

    done = run(folder, *command[len(COMMAND) :], settings=settings)
    assert (done.returncode, done.stderr) == (2, "")
    told = json.loads(done.stdout)
    assert (told["lines"], told["created"] + told["present"], told["rejected"]) == (size + 100, size + 98, 2)
    rejects = (folder / "people.ndjson.rejected.ndjson").read_text().splitlines()
    assert [json.loads(line)["line"] for line in rejects] == [301, 901]
    found = kept(place)["resources"]
    assert len(found) == size + 98
    assert len({item.get("userName") or item["displayName"] for item in found}) == size + 98
    assert {item["total"] for item in found} == {size - 2, 100}
    assert all(len(item["members"]) == 1 for item in found if item["type"] == "Group")


def total(place):
    """How many resources are committed."""
    folder, settings = place
    if settings:
        (number,) = asyncio.run(counted(settings["HEADCOUNT_DATABASE"]))
        return number
    with closing(sqlite3.connect(folder / "headcount.db")) as connection:
        return connection.execute(COUNT).fetchone()[0]


async def counted(url):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchrow(COUNT)
    finally:
        await connection.close()


def test_an_import_goes_on_behind_what_was_settled_rather_than_at_the_beginning(here):
    """The position is kept with the first batch, and once a second from then on."""
    folder, _ = here
    size = 12_000
    (folder / "people.ndjson").write_text(text_of(user(f"person{number}") for number in range(size)))
    command = [*COMMAND, "import", "people.ndjson", "--tenant", "acme", "--json"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE) as process:
        eventually(lambda: process.poll() is not None or kept_records(folder))
        assert process.poll() is None, "the import was over before its position was kept"
        process.kill()
    (position,) = kept_records(folder)

    done = answer(folder, *command[len(COMMAND) : -1])
    assert 0 < position["created"] < size
    assert done["lines"] == size
    assert done["present"] <= size - position["lines"]
    assert kept_records(folder) == []


def kept_records(folder):
    with closing(sqlite3.connect(folder / "headcount.db")) as connection:
        rows = connection.execute("SELECT value FROM record WHERE kind = 'import'").fetchall()
    return [json.loads(value) for (value,) in rows]


PEOPLE = """WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99999)
INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, user_name, document, compare)
SELECT 'acme', 'User', printf('%06d', n), 1, '', '', '', '', printf('p%d', n), '{}', '{}' FROM numbers"""


def test_a_group_of_100_000_members_takes_bounded_memory(here):
    folder, _ = here
    with closing(sqlite3.connect(folder / "headcount.db", isolation_level=None)) as connection:
        connection.execute(PEOPLE)
    named = ",".join(f'{{"value":"userName:p{number}"}}' for number in range(100_000))
    line = f'{{"schemas":["{GROUP}"],"displayName":"All","members":[{named}]}}\n'
    (folder / "people.ndjson").write_text(line * 2)
    limit = 400 * 1024 * 1024

    def bounded():
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    command = [*COMMAND, "import", "people.ndjson", "--tenant", "acme", "--json"]
    options = {"env": environment(), "capture_output": True, "text": True, "timeout": LONG}
    done = subprocess.run(command, cwd=folder, check=False, preexec_fn=bounded, **options)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == summary(2, created=1, present=1)
    with closing(sqlite3.connect(folder / "headcount.db")) as connection:
        assert connection.execute("SELECT count(*) FROM membership").fetchone() == (100_000,)
