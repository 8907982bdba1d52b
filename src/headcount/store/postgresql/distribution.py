"""The tables spread over the machines of a Citus cluster: everything of a tenant is on one of them."""

from typing import Final

from headcount.store.interface import StoreError
from headcount.store.postgresql import database
from headcount.store.postgresql.database import Connection
from headcount.store.tables import OF_TENANTS

_FIRST: Final = OF_TENANTS[0]
_EVERYWHERE: Final = ("migration", "installation")
"""What belongs to no tenant is small, and on every machine."""
CALLED: Final = frozenset(
    {
        "ahead_1",
        "append_1",
        "carry_out_2",
        "carry_out_with_2",
        "create_alone_1",
        "enqueue_1",
        "finish_1",
        "forget_1",
        "park_1",
        "put_1",
        "requeue_1",
        "sequence_1",
        "take_1",
    }
)
"""The server functions that statements call: they run where the tenant is. The others are only called by these."""

_FUNCTIONS: Final = """SELECT p.oid::regprocedure::text AS signature, p.proname AS name FROM pg_proc AS p
WHERE p.pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'resource'::regclass)
    AND p.proargnames[1] = 'p_tenant' ORDER BY p.proname"""
_HAS_CITUS: Final = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
_DISTRIBUTED: Final = """SELECT logicalrelid::text FROM pg_dist_partition
UNION SELECT objid::regprocedure::text FROM pg_catalog.pg_dist_object WHERE classid = 'pg_proc'::regclass"""


async def distribute(connection: Connection, *, dry_run: bool) -> list[str]:
    """Declares what is not declared yet; gives the statements, which `dry_run` leaves at that.

    Cut short, it goes on where it stopped when it is called again. Raises StoreError without the extension.
    """
    if (await database.state(connection)).pending:
        raise StoreError("migrations are due: headcount db migrate")
    has_citus = await connection.fetchval(_HAS_CITUS)
    if not has_citus and not dry_run:
        raise StoreError("the database has no extension citus: CREATE EXTENSION citus, on a server that preloads it")
    done = {row[0] for row in await connection.fetch(_DISTRIBUTED)} if has_citus else set()
    statements = [statement for name, statement in await _wanted(connection) if name not in done]
    if not dry_run:
        for statement in statements:
            await connection.execute(statement)
    return statements


async def _wanted(connection: Connection) -> list[tuple[str, str]]:
    """Everything that is to be declared, by name, with its statement."""
    wanted = [(name, f"SELECT create_reference_table('{name}')") for name in _EVERYWHERE]
    for table in OF_TENANTS:
        beside = "none" if table == _FIRST else _FIRST
        wanted.append((table, f"SELECT create_distributed_table('{table}', 'tenant', colocate_with => '{beside}')"))
    for row in await connection.fetch(_FUNCTIONS):
        by_tenant = f", 'p_tenant', colocate_with => '{_FIRST}'" if row["name"] in CALLED else ""
        wanted.append((row["signature"], f"SELECT create_distributed_function('{row['signature']}'{by_tenant})"))
    return wanted
