"""`headcount db distribute`: what a Citus cluster is told, and what a database that is none is answered."""

import re
from importlib import resources

import pytest

from headcount.store.postgresql.distribution import CALLED
from headcount.store.tables import OF_TENANTS
from headcount.testing.postgresql import PostgresqlServer
from processes import answer, refusal, run

FUNCTION = re.compile(r"\b[a-z_]+_\d+(?=\()")


@pytest.fixture
def settings(postgresql: PostgresqlServer, request: pytest.FixtureRequest) -> dict[str, str]:
    """A database of the test's own."""
    name = f"distribute{abs(hash(request.node.name))}"
    return {"HEADCOUNT_DATABASE": postgresql.create_database(name)}


def test_a_dry_run_shows_every_table_and_function(tmp_path, settings: dict[str, str]) -> None:
    answer(tmp_path, "db", "migrate", settings=settings)
    told = answer(tmp_path, "db", "distribute", "--dry-run", settings=settings)
    statements = told["statements"]
    assert not told["executed"]
    assert statements[:3] == [
        "SELECT create_reference_table('migration')",
        "SELECT create_reference_table('installation')",
        "SELECT create_distributed_table('resource', 'tenant', colocate_with => 'none')",
    ]
    tables = [
        f"SELECT create_distributed_table('{name}', 'tenant', colocate_with => 'resource')" for name in OF_TENANTS
    ]
    assert statements[3 : 2 + len(OF_TENANTS)] == tables[1:]
    functions = statements[2 + len(OF_TENANTS) :]
    assert "SELECT create_distributed_function('create_2(text,write_2)')" in functions
    by_tenant = {found for one in functions if "'p_tenant', colocate_with" in one for found in FUNCTION.findall(one)}
    assert by_tenant == CALLED
    shown = run(tmp_path, "db", "distribute", "--dry-run", settings=settings).stdout
    assert shown == "".join(f"{statement};\n" for statement in statements)


def test_functions_that_statements_call_are_declared_by_tenant() -> None:
    modules = resources.files("headcount.store.postgresql").iterdir()
    called = {name for file in modules if file.name.endswith(".py") for name in FUNCTION.findall(file.read_text())}
    assert called == CALLED


def test_without_citus_nothing_is_distributed(tmp_path, settings: dict[str, str]) -> None:
    answer(tmp_path, "db", "migrate", settings=settings)
    code, said = refusal(run(tmp_path, "db", "distribute", settings=settings))
    assert code == 1
    assert "has no extension citus" in said
    assert "CREATE EXTENSION citus" in said


def test_an_older_database_is_migrated_first(tmp_path, settings: dict[str, str]) -> None:
    assert "headcount db migrate" in refusal(run(tmp_path, "db", "distribute", "--dry-run", settings=settings))[1]


def test_a_file_is_not_distributed(tmp_path) -> None:
    assert "SQLite is one file on one machine" in refusal(run(tmp_path, "db", "distribute"))[1]
