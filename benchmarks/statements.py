"""Creating users with nothing in between: the server function, and the one statement over all tables, as pgbench and a
bare driver send them."""

import asyncio
import re
import subprocess
import time
from pathlib import Path

import orjson
from crowd import one_of_the_crowd
from loading import TENANT

from headcount.directory.identifiers import new_id, now
from headcount.scim.comparison import compare_document
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import USER
from headcount.scim.validation import validate_resource
from headcount.store.interface import Create, Origin
from headcount.store.keys import keys_of
from headcount.store.postgresql import database
from headcount.store.postgresql.writes import CREATE_ALONE, parameters_of

ALL_TABLES = """WITH w AS MATERIALIZED (SELECT * FROM unnest($2::write_2[])),
r AS (INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, manager, user_name,
    display_name, title, active, document, compare, private, connection)
    SELECT $1, type, id, 1, at, at, label, folded_label, manager, user_name, display_name, title, active, document,
    compare, private, connection FROM w),
x AS (INSERT INTO external_id SELECT $1, connection, type, external_id, id FROM w WHERE external_id IS NOT NULL),
v AS (INSERT INTO indexed_value SELECT $1, type, item ->> 0, item ->> 2, id, (item ->> 1)::integer
    FROM w CROSS JOIN jsonb_array_elements(w.indexed_values) AS item),
c AS (INSERT INTO counter AS c SELECT $1, type, pg_backend_pid() % 16, count(*) FROM w GROUP BY type
    ON CONFLICT (tenant, name, shard) DO UPDATE SET value = c.value + excluded.value)
INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection, after)
SELECT $1, type, id, 1, 'create', at, actor, request_id, connection, document FROM w"""
"""The same rows as the server function makes, without its refusals: a value that is taken fails the whole batch."""

WRITE = """(SELECT ROW('create', 'User', id, :at, 'cli', '', 'default', NULL, convert_to(:document, 'UTF8'), :compare::jsonb,
NULL, NULL, 'Babs Jensen', 'babs jensen', NULL, id || '@example.com', 'babs jensen', 'tour guide', true, id, NULL, NULL,
jsonb_build_array(jsonb_build_array('emails.value', 0, id), jsonb_build_array('emails.value', 1, 'babs@jensen.org')),
NULL, NULL, NULL)::write_2 FROM (SELECT uuidv7()::text AS id) AS new)"""
"""One new user, made where pgbench cannot: in the statement."""
STATEMENTS = {"the server function": CREATE_ALONE, "one statement over all tables": ALL_TABLES}


def creates(first: int, count: int) -> list[Create]:
    """Users of the crowd as writes."""
    made = []
    for number in range(first, first + count):
        resource_id = new_id()
        resource = {"id": resource_id, **validate_resource(one_of_the_crowd(number), USER, TOLERANT).resource}
        compare = orjson.dumps(compare_document(resource, USER))
        origin = Origin(now(), "cli", "")
        made.append(Create("User", resource_id, orjson.dumps(resource), compare, None, keys_of(resource, USER), origin))
    return made


async def batched(url: str, first: int, count: int, *, batch: int = 50, connections: int = 3) -> float:
    """Users a second through the bare statement; they are made ready beforehand."""
    items = [parameters_of(create) for create in creates(first, count)]
    batches = iter([items[start : start + batch] for start in range(0, count, batch)])
    links = [await database.connect(url) for _ in range(connections)]

    async def send(link: database.Connection) -> None:
        for some in batches:
            await link.execute(ALL_TABLES, TENANT, some)

    began = time.perf_counter()
    await asyncio.gather(*map(send, links))
    took = time.perf_counter() - began
    for link in links:
        await link.close()
    return count / took


def pgbench(program: Path, url: str, statement: str, clients: int, seconds: int) -> float:
    """Single creates a second, each in a transaction of its own."""
    create = creates(0, 1)[0]
    script = statement.replace("$1", f"'{TENANT}'")
    script = script.replace("$2::write_2[]", f"ARRAY[{WRITE}]").replace("$2::write_2", WRITE)
    values = {
        "at": create.origin.at,
        "document": create.document.decode(),
        "compare": create.compare.decode(),
    }
    done = subprocess.run(
        [program, "-n", "-M", "prepared", "-f", "/dev/stdin", "-c", str(clients), "-j", "1", "-T", str(seconds)]
        + [f"-D{name}={value}" for name, value in values.items()]
        + [url],
        input=script + ";\n",
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"pgbench failed: {done.stderr}")
    return float(found[1])
