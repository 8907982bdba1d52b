"""The generated part of the reference of job files: every key, and every function of mappings."""

from collections.abc import Iterator

from headcount.provisioning.job_schema import JOB
from headcount.provisioning.jobs import DEFAULT_GUARD, Limit
from headcount.provisioning.mapping.functions import FUNCTIONS, Function, lookup_of
from headcount.provisioning.shapes import Choice, Dictionary, Either, Listing, Member, Shape, Table

SHARED = {"source", "authentication", "tls", "mappings", "guard"}
"""Keys whose inner ones are listed where they stand first."""


def job_file_tables() -> str:
    """A table of keys, one of functions, one of the guard's defaults."""
    keys = "\n".join(["| key | needed | default | what it is |", "|---|---|---|---|", *_rows(JOB, "", set())])
    functions = "\n".join(
        ["| function | what it gives |", "|---|---|", *map(_function_row, (*FUNCTIONS, *lookup_of({})))]
    )
    limits = "\n".join(
        ["| kind | passes |", "|---|---|", *(f"| {kind} | {_limit(one)} |" for kind, one in DEFAULT_GUARD.items())]
    )
    return f"## Keys\n\n{keys}\n\n## Functions\n\n{functions}\n\n## Defaults of the guard\n\n{limits}"


def _rows(shape: Shape, path: str, seen: set[str]) -> Iterator[str]:
    match shape:
        case Table(members):
            for name, member in members.items():
                yield _row(f"{path}{name}", member)
                if name not in seen:
                    seen |= {name} & SHARED
                    yield from _rows(member.shape, f"{path}{name}.", seen)
        case Choice(key, tables):
            yield f"| `{path}{key}` | yes | | {', '.join(f'`{name}`' for name in tables)} |"
            for name, table in tables.items():
                yield from _rows(table, f"{path[:-1]}({name}).", seen) if len(tables) > 1 else _rows(table, path, seen)
        case Either(shapes):
            for one in shapes:
                yield from _rows(one, path, seen)
        case Listing(item):
            yield from _rows(item, f"{path[:-1]}[].", seen)
        case Dictionary(item):
            yield from _rows(item, f"{path}NAME.", seen)


def _row(path: str, member: Member) -> str:
    default = (
        ""
        if member.default is None
        else f"`{str(member.default).lower() if isinstance(member.default, bool) else member.default}`"
    )
    return f"| `{path}` | {'yes' if member.is_required else ''} | {default} | {member.help} |"


def _function_row(function: Function) -> str:
    parameters = ", ".join(
        f"{kind[:-1]} (may be left out)" if kind.endswith("?") else kind for kind in function.parameters
    )
    return f"| `{function.name}`({parameters}) → {function.result} | {function.help} |"


def _limit(limit: Limit) -> str:
    parts = [f"{limit.number}"] if limit.number is not None else []
    parts += [f"{limit.share:.0%} of what is linked"] if limit.share is not None else []
    return f"{' and '.join(parts)}, in {limit.window / 3600:g} h" if parts else "any number"
