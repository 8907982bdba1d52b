"""The laws of the house (ARCHITECTURE.md), each with proof that its breach would be seen."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median, quantiles

import pytest

REPOSITORY = Path(__file__).parents[1]

_UP_TO_DIRECTORY = ("scim", "store", "events", "directory")
_UP_TO_HTTP = (*_UP_TO_DIRECTORY, "provisioning", "sso", "http")
MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    "scim": (),
    "store": ("scim",),
    "events": ("scim", "store"),
    "directory": ("scim", "store", "events"),
    "provisioning": _UP_TO_DIRECTORY,
    "sso": _UP_TO_DIRECTORY,
    "http": (*_UP_TO_DIRECTORY, "provisioning", "sso"),
    "console": _UP_TO_HTTP,
    "cli": (*_UP_TO_HTTP, "assembly"),
    "testing": ("scim", "store"),
    "client": (),
    "settings": (),
    "sealing": (),
    "outbound": (),
    "assembly": (*_UP_TO_HTTP, "console"),
    "embed": (*_UP_TO_HTTP, "console", "assembly"),
    "__main__": ("cli",),
    "": (),
}
"""Room → the rooms to its left. `provisioning` and `sso` do not know each other, nor do `console` and `cli`."""

LEAVES = frozenset({"settings", "sealing", "outbound", ""})
"""Any room may use them; the package itself has nothing but the version."""

EXTRAS: Mapping[str, str] = {
    "store.postgresql": "postgresql",
    "provisioning": "provisioning",
    "client": "client",
    "events.delivery": "webhooks",
    "directory.oauth": "oauth",
    "outbound": "oauth",
    "testing": "test",
}
"""Package → the optional extra that it needs. `assembly` alone imports what needs one, when it is asked for.

A leaf may also be imported by what needs an extra of its own that holds all that the leaf needs.
"""

NEEDS_NO_EXTRA = frozenset({f"provisioning.{name}" for name in ("errors", "plan", "plan_json", "records")})
"""Modules of these packages that need nothing more, so that anybody may import them."""

SQL = re.compile(
    r"\s*(SELECT\s.+?\sFROM\s|SELECT 1|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|PRAGMA\s"
    r"|(CREATE|DROP|ALTER)\s+(UNIQUE\s+)?(TABLE|INDEX|VIEW|FUNCTION|DATABASE)\s|WITH\s+(RECURSIVE\s+)?\w+.*\sAS\s*\("
    r"|BEGIN IMMEDIATE|SAVEPOINT\s|VACUUM\b)",
    re.DOTALL,
)
SQL_ROOMS = frozenset({"store", "testing"})

FORBIDDEN_NAMES = frozenset({"utils", "util", "common", "helpers", "helper", "misc", "base", "core", "manager"})

IMPURE_IMPORTS = frozenset(
    [
        "asyncio",
        "ctypes",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "uuid",
    ]
)
IMPURE_CALLS = frozenset({"now", "utcnow", "today", "open", "print", "input", "exec", "eval"})

MOST_LINES_A_FILE = 499
MOST_LINES_A_FUNCTION = 40
MOST_LINES_OF_NINE_IN_TEN = 25
MOST_LINES_OF_HALF = 8

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One import, wherever it stands."""

    module: str
    line: int
    is_late: bool
    """Within a function."""
    is_typing: bool = False
    """Only for whoever checks types: nothing is loaded."""


@dataclass(frozen=True)
class Module:
    """A file of the package."""

    name: str
    """Dotted, without `headcount`; a package is called as its folder."""
    is_package: bool
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    def is_in(self, package: str) -> bool:
        return f"{self.name}.".startswith(f"{package}.")

    def functions(self) -> Iterator[_Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, _Function))

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


@dataclass(frozen=True)
class House:
    """All modules by name."""

    modules: Mapping[str, Module]

    @classmethod
    def at(cls, folder: Path) -> "House":
        modules = [_module(path, folder) for path in sorted(folder.rglob("*.py"))]
        return cls({module.name: module for module in modules})

    def imports(self, module: Module) -> Iterator[Import]:
        """All imports, late and typing-only ones included, by the full name of the module that is imported."""
        late = {id(node) for function in module.functions() for node in ast.walk(function)}
        typing = {id(inner) for node in ast.walk(module.tree) if _is_for_typing(node) for inner in ast.walk(node)}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name in self._named(node, module):
                    yield Import(name, node.lineno, id(node) in late, id(node) in typing)

    def inner_imports(self, module: Module) -> Iterator[Import]:
        """Imports from within the house, by the name that the module has here."""
        for found in self.imports(module):
            if found.module.partition(".")[0] == "headcount":
                yield replace(found, module=found.module.removeprefix("headcount").lstrip("."))

    def _named(self, node: ast.Import | ast.ImportFrom, module: Module) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            return
        source = node.module or ""
        if node.level:
            parts = ["headcount", *module.name.split(".")]
            parts = parts[: len(parts) - node.level + module.is_package]
            source = ".".join([*parts, *([source] if source else [])])
        for alias in node.names:
            inner = f"{source}.{alias.name}"
            yield inner if inner.removeprefix("headcount.") in self._names else source

    @cached_property
    def _names(self) -> frozenset[str]:
        """Of all modules, and of the folders that they are in."""
        parts = [name.split(".") for name in self.modules]
        return frozenset(".".join(some[: length + 1]) for some in parts for length in range(len(some)))


def _is_for_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _module(path: Path, folder: Path) -> Module:
    parts = path.relative_to(folder).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if is_package else parts), is_package, path.read_text("utf-8"))


def _third_parties(requirements: Iterable[str]) -> frozenset[str]:
    """The names that installed distributions are imported by."""
    wanted = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-") for line in requirements}
    return frozenset(
        name
        for name, distributions in packages_distributions().items()
        if any(distribution.lower().replace("_", "-") in wanted for distribution in distributions)
    )


_PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
ALWAYS_THERE = frozenset(sys.stdlib_module_names) | _third_parties(_PROJECT["dependencies"]) | {"headcount"}
OF_EXTRA = {name: _third_parties(lines) for name, lines in _PROJECT["optional-dependencies"].items()}


def a_room_imports_only_rooms_to_its_left(house: House) -> Iterator[str]:
    for module in house.modules.values():
        if module.room not in MAY_IMPORT:
            yield f"{module.name} is in no room"
            continue
        for found in house.inner_imports(module):
            room = found.module.partition(".")[0]
            if room not in (module.room, *MAY_IMPORT[module.room], *LEAVES):
                yield f"{module.name}:{found.line} imports {found.module}"


def scim_imports_the_standard_library_only(house: House) -> Iterator[str]:
    for module in house.modules.values():
        if module.room == "scim":
            for found in house.imports(module):
                top = found.module.partition(".")[0]
                if top not in sys.stdlib_module_names and not f"{found.module}.".startswith("headcount.scim."):
                    yield f"{module.name}:{found.line} imports {found.module}"


def scim_is_pure(house: House) -> Iterator[str]:
    """No I/O, no clock, no randomness, nothing to wait for."""
    for module in house.modules.values():
        if module.room != "scim":
            continue
        for found in house.imports(module):
            if any(f"{found.module}.".startswith(f"{impure}.") for impure in IMPURE_IMPORTS):
                yield f"{module.name}:{found.line} imports {found.module}"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
                yield f"{module.name}:{node.lineno} is async"
            if isinstance(node, ast.Call) and _called(node) in IMPURE_CALLS:
                yield f"{module.name}:{node.lineno} calls {_called(node)}"


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def sql_stands_in_the_store_only(house: House) -> Iterator[str]:
    for module in house.modules.values():
        if module.room not in SQL_ROOMS:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
                    yield f"{module.name}:{node.lineno} has SQL: {node.value.split()[:3]}"


def extras_are_loaded_by_assembly_only(house: House) -> Iterator[str]:
    for module in house.modules.values():
        packages = [name for name in EXTRAS if module.is_in(name) and module.name not in NEEDS_NO_EXTRA]
        extras = [EXTRAS[name] for name in packages]
        allowed = ALWAYS_THERE.union(*(OF_EXTRA[extra] for extra in extras))
        for found in house.imports(module):
            if found.module.partition(".")[0] not in allowed:
                yield f"{module.name}:{found.line} imports {found.module}, which may not be installed"
        for found in house.inner_imports(module):
            if found.is_typing or found.module in NEEDS_NO_EXTRA:
                continue
            for package in EXTRAS:
                is_lazy = module.name == "assembly" and found.is_late
                is_met = found.module in LEAVES and bool(extras) and _tops(house, found.module) <= allowed
                if f"{found.module}.".startswith(f"{package}.") and not (package in packages or is_lazy or is_met):
                    yield f"{module.name}:{found.line} imports {found.module}, which needs an extra"


def _tops(house: House, name: str) -> frozenset[str]:
    """What a module imports from outside and within, by its first name."""
    return frozenset(found.module.partition(".")[0] for found in house.imports(house.modules[name]))


def only_a_store_knows_tenants_by_name(house: House) -> Iterator[str]:
    for module in house.modules.values():
        for kind in module.classes():
            for method in kind.body:
                if not isinstance(method, _Function):
                    continue
                arguments = [*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs]
                names = [argument.arg for argument in arguments][1:]
                is_of_tenant = kind.name.endswith("TenantStore")
                if method.name == "for_tenant" and (module.room != "store" or is_of_tenant or names != ["tenant"]):
                    yield f"{module.name}.{kind.name} has for_tenant"
                elif is_of_tenant and method.name != "__init__" and any("tenant" in name for name in names):
                    yield f"{module.name}.{kind.name}.{method.name} takes a tenant"


def nothing_imports_itself_in_a_ring(house: House) -> Iterator[str]:
    edges = {name: {found.module for found in house.inner_imports(module)} for name, module in house.modules.items()}
    done: set[str] = set()

    def rings(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            yield " -> ".join((*path[path.index(name) :], name))
        elif name not in done:
            for following in sorted(edges.get(name, ())):
                yield from rings(following, (*path, name))
            done.add(name)

    for name in edges:
        yield from rings(name, ())


def names_say_what_a_module_is(house: House) -> Iterator[str]:
    return (name for name in house.modules if FORBIDDEN_NAMES.intersection(name.lower().split(".")))


def nothing_exists_twice_sync_and_async(house: House) -> Iterator[str]:
    for module in house.modules.values():
        if module.room == "embed":  # the one portal for hosts that do not wait
            continue
        for scope in (module.tree, *module.classes()):
            named = {node.name: node for node in scope.body if isinstance(node, _Function | ast.ClassDef)}
            for name, node in named.items():
                if re.search(r"(^|_)a?sync(_|$)|(^|_)(Async|Sync(?!Job))([A-Z]|$)", name):  # a sync job is no twin
                    yield f"{module.name}:{node.lineno} {name}"
                if isinstance(node, _Function) and isinstance(twin := named.get(f"a{name}"), _Function):
                    yield f"{module.name}:{twin.lineno} {name} and {twin.name}"


def files_are_short(house: House) -> Iterator[str]:
    for module in house.modules.values():
        if (lines := len(module.text.splitlines())) > MOST_LINES_A_FILE:
            yield f"{module.name} has {lines} lines"


def functions_are_short(house: House) -> Iterator[str]:
    lengths = {
        f"{module.name}:{function.lineno} {function.name}": (function.end_lineno or 0) - function.lineno + 1
        for module in house.modules.values()
        for function in module.functions()
    }
    yield from (f"{name} has {lines} lines" for name, lines in lengths.items() if lines > MOST_LINES_A_FUNCTION)
    if len(lengths) > 1:
        half, nine_in_ten = median(lengths.values()), quantiles(lengths.values(), n=10)[-1]
        if half > MOST_LINES_OF_HALF or nine_in_ten > MOST_LINES_OF_NINE_IN_TEN:
            yield f"half of the functions have {half} lines or more, one in ten has {nine_in_ten} or more"


Law = Callable[[House], Iterator[str]]
LAWS: tuple[Law, ...] = (
    a_room_imports_only_rooms_to_its_left,
    scim_imports_the_standard_library_only,
    scim_is_pure,
    sql_stands_in_the_store_only,
    extras_are_loaded_by_assembly_only,
    only_a_store_knows_tenants_by_name,
    nothing_imports_itself_in_a_ring,
    names_say_what_a_module_is,
    nothing_exists_twice_sync_and_async,
    files_are_short,
    functions_are_short,
)

_LONG = "def long():\n" + "    x = 1\n"
_LATE = "def late():\n    from headcount.{} import x\n"
_TYPING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from headcount.{} import x\n"
_METHOD = "class {}:\n    def {}(self, {}): ...\n"

BREACHES: list[tuple[Law, dict[str, str], str]] = [
    (a_room_imports_only_rooms_to_its_left, {"scim/a.py": "import headcount.store.keys"}, "scim.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"store/a.py": "from headcount.directory import x"}, "store.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"store/a.py": _LATE.format("events.feed")}, "store.a:2"),
    (a_room_imports_only_rooms_to_its_left, {"events/a.py": _TYPING.format("directory.x")}, "events.a:3"),
    (a_room_imports_only_rooms_to_its_left, {"directory/a.py": "from headcount import http", "http/b.py": ""}, "directory.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"directory/a.py": "from ..http import gate"}, "directory.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"provisioning/a.py": "import headcount.sso"}, "provisioning.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"sso/a.py": "import headcount.provisioning"}, "sso.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"http/a.py": "import headcount.cli.tenant"}, "http.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"http/a.py": "import headcount.assembly"}, "http.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"console/a.py": "import headcount.cli"}, "console.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"cli/a.py": "import headcount.console"}, "cli.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"assembly.py": "import headcount.cli"}, "assembly:1"),
    (a_room_imports_only_rooms_to_its_left, {"settings.py": "import headcount.scim.urns"}, "settings:1"),
    (a_room_imports_only_rooms_to_its_left, {"testing/a.py": "import headcount.directory"}, "testing.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"store/a.py": "import headcount.testing"}, "store.a:1"),
    (a_room_imports_only_rooms_to_its_left, {"attic/a.py": ""}, "attic.a is in no room"),
    (scim_imports_the_standard_library_only, {"scim/a.py": "import orjson"}, "scim.a:1"),
    (scim_imports_the_standard_library_only, {"scim/a.py": _LATE.format("settings")}, "scim.a:2"),
    (scim_imports_the_standard_library_only, {"scim/a.py": "from headcount.scimitar import x"}, "scim.a:1"),
    (scim_is_pure, {"scim/a.py": "async def a(): ..."}, "scim.a:1 is async"),
    (scim_is_pure, {"scim/a.py": "from os import path"}, "scim.a:1 imports os"),
    (scim_is_pure, {"scim/a.py": "import urllib.request"}, "scim.a:1 imports urllib.request"),
    (scim_is_pure, {"scim/a.py": "from datetime import datetime\nx = datetime.now()"}, "scim.a:2 calls now"),
    (scim_is_pure, {"scim/a.py": "def read(): return open('x')"}, "scim.a:1 calls open"),
    (sql_stands_in_the_store_only, {"directory/a.py": "x = 'SELECT id FROM resource'"}, "directory.a:1"),
    (sql_stands_in_the_store_only, {"cli/a.py": "x = f'DELETE FROM {t} WHERE id = ?'"}, "cli.a:1"),
    (sql_stands_in_the_store_only, {"http/a.py": "def f():\n    x('''\n INSERT INTO t VALUES (1)''')"}, "http.a:2"),
    (sql_stands_in_the_store_only, {"events/a.py": "x = 'WITH RECURSIVE up (a) AS (SELECT 1)'"}, "events.a:1"),
    (extras_are_loaded_by_assembly_only, {"directory/a.py": "import asyncpg"}, "directory.a:1"),
    (extras_are_loaded_by_assembly_only, {"store/a.py": "def late():\n    import asyncpg"}, "store.a:2"),
    (extras_are_loaded_by_assembly_only, {"http/a.py": "import pytest"}, "http.a:1"),
    (
        extras_are_loaded_by_assembly_only,
        {"assembly.py": "from headcount.store.postgresql.store import x", "store/postgresql/store.py": ""},
        "assembly:1",
    ),
    (
        extras_are_loaded_by_assembly_only,
        {"cli/a.py": _LATE.format("store.postgresql.store"), "store/postgresql/store.py": ""},
        "cli.a:2",
    ),
    (extras_are_loaded_by_assembly_only, {"http/a.py": "import headcount.outbound", "outbound.py": "import httpx2"}, "http.a:1"),
    (
        extras_are_loaded_by_assembly_only,
        {"provisioning/a.py": "import headcount.outbound", "outbound.py": "import httpcore2"},
        "provisioning.a:1",
    ),
    (
        extras_are_loaded_by_assembly_only,
        {"provisioning/errors.py": "from headcount.provisioning.jobs import x", "provisioning/jobs.py": ""},
        "provisioning.errors:1",
    ),
    (extras_are_loaded_by_assembly_only, {"provisioning/errors.py": "import httpx2"}, "provisioning.errors:1"),
    (only_a_store_knows_tenants_by_name, {"directory/a.py": _METHOD.format("Tenants", "for_tenant", "tenant")}, "directory.a.Tenants"),
    (only_a_store_knows_tenants_by_name, {"store/a.py": _METHOD.format("MyTenantStore", "for_tenant", "tenant")}, "MyTenantStore"),
    (only_a_store_knows_tenants_by_name, {"store/a.py": _METHOD.format("MyTenantStore", "read", "id, *, tenant")}, "MyTenantStore.read"),
    (only_a_store_knows_tenants_by_name, {"store/a.py": _METHOD.format("TenantStore", "read", "tenant_name")}, "TenantStore.read"),
    (nothing_imports_itself_in_a_ring, {"scim/a.py": "import headcount.scim.b", "scim/b.py": "from headcount.scim import a"}, "scim.a -> scim.b -> scim.a"),
    (nothing_imports_itself_in_a_ring, {"scim/a.py": _LATE.format("scim.b"), "scim/b.py": _TYPING.format("scim.a")}, "scim.a -> scim.b -> scim.a"),
    (
        nothing_imports_itself_in_a_ring,
        {"scim/a.py": "from .b import x", "scim/b.py": "from . import c", "scim/c.py": "from .a import x"},
        "scim.a -> scim.b -> scim.c -> scim.a",
    ),
    (names_say_what_a_module_is, {"store/utils.py": ""}, "store.utils"),
    (names_say_what_a_module_is, {"core/__init__.py": ""}, "core"),
    (names_say_what_a_module_is, {"http/Helpers/gate.py": ""}, "http.Helpers.gate"),
    (nothing_exists_twice_sync_and_async, {"store/a.py": "def read_sync(): ..."}, "store.a:1 read_sync"),
    (nothing_exists_twice_sync_and_async, {"store/a.py": "class AsyncStore: ..."}, "store.a:1 AsyncStore"),
    (nothing_exists_twice_sync_and_async, {"store/a.py": "class A:\n  def get(self): ...\n  async def aget(self): ..."}, "store.a:3 get and aget"),
    (files_are_short, {"scim/a.py": "x = 1\n" * (MOST_LINES_A_FILE + 1)}, f"scim.a has {MOST_LINES_A_FILE + 1} lines"),
    (functions_are_short, {"scim/a.py": _LONG + "    x = 1\n" * (MOST_LINES_A_FUNCTION - 1)}, f"long has {MOST_LINES_A_FUNCTION + 1} lines"),
    (functions_are_short, {f"scim/{name}.py": _LONG + "    x = 1\n" * 7 for name in "abc"}, "half of the functions"),
]  # fmt: skip

HARMLESS: list[tuple[Law, dict[str, str]]] = [
    (a_room_imports_only_rooms_to_its_left, {"cli/a.py": "import headcount.assembly\nfrom headcount import sealing"}),
    (a_room_imports_only_rooms_to_its_left, {"http/a.py": "from headcount.http.b import x\nimport headcount.sso"}),
    (scim_imports_the_standard_library_only, {"scim/a.py": "import re\nfrom headcount.scim import urns"}),
    (sql_stands_in_the_store_only, {"directory/a.py": "'''Selects what is from the tenant.'''\nx = 'UPDATE failed'"}),
    (sql_stands_in_the_store_only, {"store/a.py": "x = 'SELECT id FROM resource'"}),
    (
        extras_are_loaded_by_assembly_only,
        {
            "assembly.py": _LATE.format("store.postgresql.store"),
            "store/postgresql/store.py": "import asyncpg\nfrom headcount.store.postgresql import reads",
            "store/postgresql/reads.py": "",
            "testing/a.py": "import pytest, hypothesis",
        },
    ),
    (
        extras_are_loaded_by_assembly_only,
        {"directory/oauth/a.py": "import headcount.outbound", "outbound.py": "import httpcore2, httpx2, asyncio"},
    ),
    (
        extras_are_loaded_by_assembly_only,
        {
            "cli/a.py": f"from headcount.provisioning.errors import x\n{_TYPING.format('provisioning.jobs')}",
            "provisioning/errors.py": "",
            "provisioning/jobs.py": "import httpx2",
        },
    ),
    (only_a_store_knows_tenants_by_name, {"store/a.py": _METHOD.format("MyStore", "for_tenant", "tenant")}),
    (only_a_store_knows_tenants_by_name, {"store/a.py": _METHOD.format("MyTenantStore", "__init__", "store, tenant")}),
    (nothing_imports_itself_in_a_ring, {"scim/a.py": "from . import b, c", "scim/b.py": "from . import c", "scim/c.py": ""}),
    (nothing_exists_twice_sync_and_async, {"store/a.py": "def synchronous(): ...\nclass Syncopation: ..."}),
    (files_are_short, {"scim/a.py": "x = 1\n" * MOST_LINES_A_FILE}),
    (functions_are_short, {"scim/a.py": _LONG + "    x = 1\n" * (MOST_LINES_A_FUNCTION - 2)}),
]  # fmt: skip


@pytest.fixture(scope="module")
def headcount():
    return House.at(REPOSITORY / "src" / "headcount")


def build(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return House.at(folder)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_code_keeps_the_law(headcount, law):
    assert list(law(headcount)) == []


@pytest.mark.parametrize(("law", "files", "found"), BREACHES, ids=lambda value: getattr(value, "__name__", None))
def test_a_breach_is_seen_and_its_place_named(tmp_path, law, files, found):
    breaches = list(law(build(tmp_path, files)))
    assert len(breaches) == 1
    assert found in breaches[0]


@pytest.mark.parametrize(("law", "files"), HARMLESS, ids=lambda value: getattr(value, "__name__", None))
def test_what_the_law_allows_is_no_breach(tmp_path, law, files):
    assert list(law(build(tmp_path, files))) == []


def test_every_law_has_a_breach_that_proves_it():
    assert {law for law, *_ in BREACHES} == set(LAWS)


def test_the_whole_house_is_looked_at(headcount):
    assert {"scim", "store", "directory", "http", "cli", "testing", "assembly"} <= {
        module.room for module in headcount.modules.values()
    }
    assert any(
        found.module == "store.administration" for found in headcount.inner_imports(headcount.modules["assembly"])
    )
    assert OF_EXTRA["postgresql"] >= {"asyncpg"}
