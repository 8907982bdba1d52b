"""What the commands of `headcount sync` have in common: arguments, and how reports are shown."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

from headcount.assembly import Installation, synchronization_of
from headcount.cli.output import show
from headcount.cli.progress import progress
from headcount.cli.running import with_installation
from headcount.provisioning.plan_json import pieces_of

if TYPE_CHECKING:
    from headcount.provisioning.pairs import PairReport
    from headcount.provisioning.synchronization import Synchronization

Result = TypeVar("Result")

Job = Annotated[str, typer.Argument(metavar="JOB", help="A job file, or the name of a stored job.")]
Person = Annotated[str, typer.Argument(metavar="PERSON", help="The key that the source knows the person by.")]
Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="TARGET", help="Only this target of the job. Again for more.")
]
Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target of the job.")]
AllOrNothing = Annotated[
    bool, typer.Option("--all-or-nothing", help="A tripped guard holds everything, not only what it is about.")
]
Full = Annotated[bool, typer.Option("--full", help="Read the whole source, not only what changed since the last run.")]


def with_jobs(
    database: str | None, action: "Callable[[Synchronization], Awaitable[Result]]", *, as_json: bool
) -> Result:
    """The result of an action on the sync jobs of an installation, with progress on standard error."""
    with progress(None, as_json=as_json) as report:

        async def run(installation: Installation) -> Result:
            return await action(synchronization_of(installation, report))

        return with_installation(database, run)


def show_reports(
    reports: "Sequence[PairReport]",
    *,
    as_json: bool,
    more: dict[str, Any] | None = None,
    most: int | None = 100,
    with_bodies: bool = False,
) -> None:
    """Shows what came of each target, and ends with the exit code that tells of it."""
    code = worst(report.exit_code for report in reports)
    if as_json:
        write_json({**(more or {}), "exitCode": code, "targets": [report.as_json() for report in reports]}, sys.stdout)
    else:
        words = (report.in_words(most=most, with_bodies=with_bodies) for report in reports)
        show(None, as_json=False, sentence="\n".join(words))
    if code:
        raise typer.Exit(code)


def write_json(value: Any, out: TextIO) -> None:
    """Writes a value piece by piece: it may hold a plan of a million changes."""
    out.writelines(piece.decode() for piece in pieces_of(value))
    out.write("\n")
    out.flush()


def worst(codes: Any) -> int:
    """The exit code of several: an error before what is held, and that before what is pending."""
    found = set(codes)
    return next((code for code in (1, 3, 2) if code in found), 0)


def as_text(value: Any) -> str:
    """A value as JSON that people can read."""
    return json.dumps(value, ensure_ascii=False, indent=2)
