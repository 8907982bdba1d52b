"""Pages of what is kept beside resources, as statements of both databases."""

from collections.abc import Sequence
from typing import Final

from headcount.store.interface import StoreError
from headcount.store.keeping import Put
from headcount.store.search.sql import Sql, following_prefix, joined

_CHANGE: Final = """ AS position, sequence, type, id, version, kind, at, actor, connection, request_id,
    before, after, added, removed
FROM change WHERE tenant = ? AND """


def check_puts(puts: Sequence[Put]) -> None:
    """Raises StoreError when a key is put twice: it would depend on the database which of them stays."""
    if len({(put.collection, put.key) for put in puts}) < len(puts):
        raise StoreError("an entry cannot be put twice at once")


def entries(tenant: str, collection: str, prefix: str, after: str, limit: int) -> Sql:
    """Entries in the order of their keys."""
    statement = Sql("SELECT key, value, version FROM entry WHERE tenant = ? AND collection = ?", (tenant, collection))
    statement += Sql(" AND key > ?", (after,)) if after >= prefix else Sql(" AND key >= ?", (prefix,))
    following = following_prefix(prefix)
    if following is not None:
        statement += Sql(" AND key < ?", (following,))
    return statement + Sql(" ORDER BY key LIMIT ?", (limit,))


def lines(
    tenant: str, log: str, key: str | None, bounds: tuple[int, int | None], limit: int, *, descending: bool
) -> Sql:
    """Lines of a log between two sequences, both excluded."""
    after, before = bounds
    statement = Sql("SELECT at, value, key, sequence FROM line WHERE tenant = ? AND log = ?", (tenant, log))
    if key is not None:
        statement += Sql(" AND key = ?" + (" AND key <> ''" if key else ""), (key,))
    statement += Sql(" AND sequence > ?", (after,))
    if before is not None:
        statement += Sql(" AND sequence < ?", (before,))
    return statement + Sql(f" ORDER BY sequence{' DESC' if descending else ''} LIMIT ?", (limit,))


def parked(tenant: str, queue: str, after: int, limit: int) -> Sql:
    """Parked tasks in the order of their ids."""
    text = """SELECT order_key, value, due, id, attempts, reason FROM task
WHERE tenant = ? AND queue = ? AND state = 'parked' AND id > ? ORDER BY id LIMIT ?"""
    return Sql(text, (tenant, queue, after, limit))


def changes(  # a page of the feed
    tenant: str,
    position: str,
    bounds: tuple[int, int],
    limit: int,
    *,
    types: Sequence[str],
    resource_id: str,
    marked: tuple[str, bytes],
) -> Sql:
    """Rows of the change log in the order of their positions, which stand in the column or expression `position`.

    They lie behind the first bound and, unless it is 0, not behind the second one. `marked` is the condition on `after`
    that finds some bytes, and the bytes; none when they are empty.
    """
    after, until = bounds
    ordered = f"+{position}" if resource_id else position  # of one resource, rows are few: sorted, not walked along
    statement = f"SELECT {position}" + Sql(f"{_CHANGE}{ordered} > ?", (tenant, after))
    if until:
        statement += Sql(f" AND {ordered} <= ?", (until,))
    if types:
        statement += " AND type IN (" + joined(", ", (Sql("?", (name,)) for name in types)) + ")"
    if resource_id:
        statement += Sql(" AND id = ?", (resource_id,))
    condition, mark = marked
    if mark:
        statement += Sql(f" AND (kind = 'delete' OR (kind = 'update' AND {condition}))", (mark,))
    return statement + Sql(f" ORDER BY {ordered} LIMIT ?", (limit,))
