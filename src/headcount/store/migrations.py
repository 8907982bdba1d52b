"""Migrations as data: numbered scripts of one dialect, forward-only."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from headcount.store.interface import OutdatedSchemaError

_INDEX: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+) ON [^;]+;|DROP INDEX (?:IF EXISTS )?(\w+);")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    script: str

    @property
    def label(self) -> str:
        """What people see of it."""
        return f"{self.number:04} {self.name}"


@dataclass(frozen=True, slots=True)
class MigrationState:
    """Where a database stands."""

    applied: tuple[int, ...]
    pending: tuple[Migration, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no migration was ever applied."""
        return not self.applied

    def by_label(self, known: tuple[Migration, ...]) -> dict[str, bool]:
        """All migrations, and whether each is applied."""
        return {migration.label: migration.number in self.applied for migration in known}


def migrations_of(package: str) -> tuple[Migration, ...]:
    """All migrations of this version that a store's package holds, in order."""
    folder = files(package) / "migrations"
    scripts = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return tuple(Migration(int(item.name[:4]), item.name[5:-4], item.read_text("utf-8")) for item in scripts)


def state_of(known: tuple[Migration, ...], applied: Iterable[int]) -> MigrationState:
    """Where a database stands; raises OutdatedSchemaError when it is newer than this version."""
    applied = tuple(applied)
    unknown = set(applied) - {migration.number for migration in known}
    if unknown:
        raise OutdatedSchemaError(
            f"the database has migration {max(unknown)}, which this version does not know; upgrade Headcount"
        )
    return MigrationState(applied, tuple(migration for migration in known if migration.number not in applied))


def check_upgrade(found: MigrationState, *, upgrade: bool) -> None:
    """Raises OutdatedSchemaError when an older database is not to be upgraded."""
    if found.pending and not found.is_empty and not upgrade:
        raise OutdatedSchemaError(
            f"the database needs {len(found.pending)} migrations; run 'headcount db migrate' or start the server"
        )


def indexes_of(known: tuple[Migration, ...]) -> Mapping[str, str]:
    """The statements that make the indexes of a current database, by the name of the index."""
    statements: dict[str, str] = {}
    for migration in known:
        for found in _INDEX.finditer(migration.script):
            made, dropped = found.groups()
            if made:
                statements[made] = " ".join(found[0].rstrip(";").split())
            else:
                statements.pop(dropped, None)
    return statements
