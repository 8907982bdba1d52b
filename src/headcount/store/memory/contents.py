"""What one tenant has, and what a write does to it: whatever can be refused is refused before anything is touched."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from headcount.store.interface import (
    Create,
    Delete,
    Found,
    Keys,
    MissingError,
    NotUniqueError,
    StoreError,
    Update,
    VersionConflictError,
    Write,
    Written,
)
from headcount.store.memory.memberships import Memberships, Moves

Key = tuple[str, str]
"""(resource type, id)."""


@dataclass(frozen=True, slots=True)
class Row:
    """A resource as it is kept."""

    type: str
    id: str
    version: int
    created: str
    modified: str
    document: bytes
    private: bytes | None
    keys: Keys
    connection: str


@dataclass(slots=True)
class Contents:
    """Resources, memberships, records and the change log of one tenant."""

    rows: dict[Key, Row] = field(default_factory=dict)
    memberships: Memberships = field(default_factory=Memberships)
    owners: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """(scope, attribute, value) of everything unique → id."""
    sequence: Iterator[int] = field(default_factory=lambda: count(1))
    """Numbers of rows in the change log; they only grow."""
    log: list[Mapping[str, Any]] = field(default_factory=list)
    records: dict[str, dict[str, bytes]] = field(default_factory=dict)
    records_revision: int = 0

    def carry_out(self, write: Write) -> Written:
        """One write with its row in the change log; raises what the interface says."""
        if isinstance(write, Create):
            return self._create(write)
        if isinstance(write, Update):
            return self._update(write)
        return self._delete(write)

    def index(self, type_name: str, path: str, found: Sequence[Found], *, unique: bool) -> list[str]:
        """Replaces unique values; other values are looked for in the resources themselves."""
        rows = {one.id: self.rows.get((type_name, one.id)) for one in found}
        current = [one for one in found if (row := rows[one.id]) is not None and row.version == one.version]
        if unique:
            self._check_claims(path, current)
            for one in (*(replace(one, values=()) for one in current), *current):
                self._claim(type_name, one, path)
        return [one.id for one in found if one not in current]

    def forget_index(self, type_name: str, path: str, *, unique: bool) -> None:
        """Gives up the unique values of a path."""
        if unique:
            for row in [row for row in self.rows.values() if row.type == type_name]:
                self._claim(type_name, Found(row.id, row.version, ()), path)

    def _check_claims(self, path: str, found: Sequence[Found]) -> None:
        """Raises NotUniqueError when a value is another resource's, or would be two resources'."""
        moving = {one.id for one in found}
        owners = {key[2]: owner for key, owner in self.owners.items() if key[1] == path and owner not in moving}
        for one in found:
            for _, value in one.values:
                if owners.setdefault(value, one.id) != one.id:
                    raise NotUniqueError(path, value, owners[value])

    def _claim(self, type_name: str, found: Found, path: str) -> None:
        row = self.rows[type_name, found.id]
        kept = tuple(pair for pair in row.keys.unique if pair[0] != path)
        self._keep(replace(row, keys=row.keys._replace(unique=(*kept, *((path, value) for _, value in found.values)))))

    def kind_of(self, resource_id: str) -> str | None:
        """The type of what can be a member: a user or a group."""
        return next((kind for kind in ("User", "Group") if (kind, resource_id) in self.rows), None)

    def label_of(self, type_name: str, resource_id: str) -> str:
        """What a reference to a resource displays."""
        return self.rows[type_name, resource_id].keys.label

    def _create(self, write: Create) -> Written:
        key = (write.type, write.id)
        if key in self.rows:
            raise StoreError(f"there is a {write.type} {write.id} already")
        self._check_unique(write.type, write.id, write.keys)
        moves = self.memberships.moves(write.id, write.members, self.kind_of)
        at = write.origin.at
        self._keep(
            Row(write.type, write.id, 1, at, at, write.document, write.private, write.keys, write.origin.connection)
        )
        self.memberships.carry_out(write.id, moves)
        self._note(write, key, 1, "create", None, write.document, moves)
        return Written(1, at, at, changed=True, member_count=len(moves.added))

    def _update(self, write: Update) -> Written:
        row = self._expected(write)
        moves = self.memberships.moves(write.id, write.members, self.kind_of)
        if write.document is None and not (moves.added or moves.removed):
            return self._written(row, changed=False)
        row = replace(row, version=row.version + 1, modified=max(row.modified, write.origin.at))
        if write.document is not None:
            keys = write.keys or Keys()
            self._check_unique(write.type, write.id, keys)
            private = row.private if write.private is None else write.private
            row = replace(row, document=write.document, private=private, keys=keys)
        self._keep(row)
        self.memberships.carry_out(write.id, moves)
        self._note(write, (write.type, write.id), row.version, "update", write.before, write.document, moves)
        return self._written(row, changed=True)

    def _delete(self, write: Delete) -> Written:
        row = self._expected(write)
        self._forget(row)
        for group_id in self.memberships.leave_all(write.id):
            self._touch(group_id, write)
        self._note(write, (write.type, write.id), row.version, "delete", row.document, None, Moves())
        return self._written(row, changed=True)

    def _expected(self, write: Update | Delete) -> Row:
        row = self.rows.get((write.type, write.id))
        if row is None:
            raise MissingError(write.id)
        if write.expected_version not in (None, row.version):
            raise VersionConflictError(write.id)
        return row

    def _touch(self, group_id: str, write: Delete) -> None:
        """A group that a deleted resource was a member of has a new version."""
        group = next(row for row in self.rows.values() if row.id == group_id)
        group = replace(group, version=group.version + 1, modified=max(group.modified, write.origin.at))
        self.rows[group.type, group.id] = group
        self._note(write, (group.type, group.id), group.version, "update", None, None, Moves(removed={write.id: ""}))

    def _keep(self, row: Row) -> None:
        before = self.rows.get((row.type, row.id))
        if before is not None:
            self._forget(before)
        self.rows[row.type, row.id] = row
        self.owners.update(dict.fromkeys(_unique(row.type, row.keys), row.id))

    def _forget(self, row: Row) -> None:
        del self.rows[row.type, row.id]
        for claim in _unique(row.type, row.keys):
            del self.owners[claim]

    def _check_unique(self, type_name: str, resource_id: str, keys: Keys) -> None:
        for claim in _unique(type_name, keys):
            owner = self.owners.get(claim, resource_id)
            if owner != resource_id:
                raise NotUniqueError(claim[1], claim[2], owner)

    def _written(self, row: Row, *, changed: bool) -> Written:
        return Written(row.version, row.created, row.modified, changed, len(self.memberships.of(row.id)))

    def _note(
        self,
        write: Write,
        key: Key,
        version: int,
        kind: str,
        before: bytes | None,
        after: bytes | None,
        moves: Moves,
    ) -> None:
        self.log.append(
            {
                "sequence": next(self.sequence),
                "type": key[0],
                "id": key[1],
                "version": version,
                "kind": kind,
                "at": write.origin.at,
                "actor": write.origin.actor,
                "requestId": write.origin.request_id,
                "before": before,
                "after": after,
                "added": list(moves.added),
                "removed": list(moves.removed),
            }
        )


def _unique(type_name: str, keys: Keys) -> Iterator[tuple[str, str, str]]:
    """What must be unique: userName within its type, everything else within the tenant."""
    if keys.user_name is not None:
        yield type_name, "userName", keys.user_name
    for attribute, value in keys.unique:
        yield "", attribute, value
