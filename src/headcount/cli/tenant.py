"""`headcount tenant`: tenants created, listed, changed, moved and deleted."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from headcount.assembly import Installation
from headcount.cli.output import AsJson, Database, UsageError, cell_of, show, show_table
from headcount.cli.policies import AdoptionOption, Guard, Rehire, RequestLogOption, guard_from
from headcount.cli.progress import progress
from headcount.cli.running import with_installation

tenant = typer.Typer(no_args_is_help=True, help="Create, list, change, move and delete tenants.")

_COLUMNS = {
    "name": "NAME",
    "displayName": "DISPLAY NAME",
    "profile": "PROFILE",
    "passwords": "PASSWORDS",
    "refuseUnknown": "REFUSES UNKNOWN",
    "state": "STATE",
}
_MORE = {
    "publicUrl": "Public URL",
    "limits": "Limits",
    "guard": "Guard",
    "adoption": "Adoption",
    "rehire": "Rehire",
    "requestLog": "Request log",
}

Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant's name.")]
Profile = Annotated[
    str | None,
    typer.Option(help="tolerant: what real identity providers send. strict: the RFCs to the letter."),
]
Passwords = Annotated[
    str | None, typer.Option(help="discard: forget passwords that clients send. hash: keep their argon2id hashes.")
]
DisplayName = Annotated[str | None, typer.Option(help="What people call the tenant.")]
Limit = Annotated[str | None, typer.Option(metavar="NUMBER", help="At most so many; 'none' for any number.")]
State = Annotated[
    str | None, typer.Option(help="active, or suspended: its clients get 403, its data stays.", show_default=False)
]
PublicUrl = Annotated[str | None, typer.Option(metavar="URL", help="The URL that its clients use, before /t/NAME.")]
RefuseUnknown = Annotated[
    bool | None,
    typer.Option("--refuse-unknown/--ignore-unknown", help="What happens to attributes that no schema has."),
]


@tenant.command("create")
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Part of the base URL: 1 to 63 of a-z, 0-9 and '-'. Cannot change.")
    ],
    profile: Profile = "tolerant",
    display_name: DisplayName = None,
    passwords: Passwords = "discard",
    refuse_unknown: RefuseUnknown = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Create a tenant.

    Example: headcount tenant create acme --display-name "Acme Corp."
    """
    created = with_installation(
        database,
        lambda installation: installation.tenants.create(
            name,
            display_name=display_name,
            profile=profile or "",
            passwords=passwords or "",
            refuse_unknown=bool(refuse_unknown),
        ),
    )
    show(
        created,
        as_json=as_json,
        sentence=f"Created the tenant {name}. Next: headcount token create --tenant {name} --name …",
    )


@tenant.command("list")
def list_all(database: Database = None, as_json: AsJson = False) -> None:
    """List all tenants."""
    rows = with_installation(database, lambda installation: installation.tenants.list())
    show_table(rows, _COLUMNS, as_json=as_json, none="There are no tenants; create one: headcount tenant create NAME")


@tenant.command("show")
def show_one(name: Name, database: Database = None, as_json: AsJson = False) -> None:
    """Show a tenant's settings."""
    found = with_installation(database, lambda installation: installation.tenants.get(name))
    lines = [f"{heading.capitalize():16} {cell_of(found[key])}" for key, heading in _COLUMNS.items() if key in found]
    lines += [f"{heading:16} {_words(found[key])}" for key, heading in _MORE.items() if key in found]
    show(found, as_json=as_json, sentence="\n".join([*lines, f"{'Created':16} {found['meta']['created']}"]))


@tenant.command("update")
def update(
    name: Name,
    *,
    profile: Profile = None,
    display_name: DisplayName = None,
    passwords: Passwords = None,
    refuse_unknown: RefuseUnknown = None,
    state: State = None,
    public_url: PublicUrl = None,
    max_users: Limit = None,
    max_groups: Limit = None,
    requests_per_second: Limit = None,
    guard: Guard = None,
    adoption: AdoptionOption = None,
    rehire: Rehire = None,
    request_log: RequestLogOption = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant's settings; running servers follow within a second. A limit of 'none' is none.

    Example: headcount tenant update acme --profile strict
    """
    given: dict[str, Any] = {
        "profile": profile,
        "displayName": display_name,
        "passwords": passwords,
        "refuseUnknown": refuse_unknown,
        "state": state,
        "publicUrl": public_url,
        "limits": _limits(users=max_users, groups=max_groups, requestsPerSecond=requests_per_second),
        "guard": guard_from(guard),
        "adoption": adoption,
        "rehire": rehire,
        "requestLog": request_log,
    }
    changes = _changes(given)
    changed = with_installation(database, lambda installation: installation.tenants.update(name, changes))
    show(changed, as_json=as_json, sentence=f"Changed the tenant {name}.")


@tenant.command("delete")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an archive first; nothing is deleted without it.")
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Delete a tenant with its people, groups, schemas and tokens. Asks for the name.

    Example: headcount tenant delete acme --export acme.zip
    """
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"this deletes everything in the tenant {name}; say --yes")
        if typer.prompt(f"This deletes everything in the tenant. Type its name, {name}, to go on", err=True) != name:
            raise UsageError("nothing was deleted")
    with progress(None, as_json=as_json) as report:

        async def remove(installation: Installation) -> None:
            if export is not None:
                await installation.exports.write(name, export, report, with_changes=True)
            await installation.tenants.delete(name)

        with_installation(database, remove)
    kept = "" if export is None else f" Its archive is {export}."
    show({"deleted": name}, as_json=as_json, sentence=f"Deleted the tenant {name}.{kept}")


@tenant.command("export")
def export_to(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The new file.", show_default="NAME.zip")
    ] = None,
    with_changes: Annotated[bool, typer.Option("--with-changes", help="The change log as well.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Write a tenant to an archive, as of one instant, while servers go on.

    Settings, schemas, connections, people, groups and memberships go along; access tokens do not. Keep the file safe:
    it holds everything that is known of people, and hashes of passwords where the tenant keeps them.

    Example: headcount tenant export acme --out acme-monday.zip
    """
    file = out or Path(f"{name}.zip")
    with progress(None, as_json=as_json) as report:
        manifest = with_installation(
            database,
            lambda installation: installation.exports.write(name, file, report, with_changes=with_changes),
        )
    lines = {part: told["lines"] for part, told in manifest["parts"].items()}
    sentence = f"Wrote {lines['resources']:,} resources and {lines['memberships']:,} memberships to {file}."
    show({"file": str(file), "lines": lines}, as_json=as_json, sentence=sentence)


@tenant.command("import")
def import_from(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An archive, from 'headcount tenant export'.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Another name for the tenant; it must be free.")
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make a tenant from an archive, in this or another installation: with the same ids, versions and times.

    The archive is verified before anything is written, and what was written is read back and compared. The tenant is
    suspended until all of it is there; an import that fails leaves nothing behind. Make tokens for its clients next.

    Example: headcount tenant import acme-monday.zip --name acme-copy
    """
    with progress(None, as_json=as_json) as report:
        made = with_installation(database, lambda installation: installation.imports.read(file, report, name=name))
    sentence = f"Made the tenant {made['name']}. Next: headcount token create --tenant {made['name']} --name …"
    show(made, as_json=as_json, sentence=sentence)


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """What was given; raises UsageError when that is nothing."""
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise UsageError("nothing to change; see 'headcount tenant update --help'")
    return changes


def _limits(**given: str | None) -> dict[str, Any] | None:
    """The limits that were given, null for one that is taken away; None when none was given."""
    return {name: _number(text) for name, text in given.items() if text is not None} or None


def _number(text: str) -> float | int | None:
    if text == "none":
        return None
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise UsageError(f"'{text}' is no number; give one, or 'none'") from None


def _words(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_words, value))
    return ", ".join(f"{name} {item}" for name, item in value.items()) if isinstance(value, dict) else cell_of(value)
