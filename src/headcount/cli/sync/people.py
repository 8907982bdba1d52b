"""One person, and whoever needs a human: explained, synchronised at once, reviewed, parked, orphaned, drifted."""

from typing import Annotated, Any

import typer

from headcount.cli.output import AsJson, Database, show, show_table
from headcount.cli.sync.options import Job, Person, Targets, show_reports, with_jobs
from headcount.provisioning.errors import JobError

_REVIEWS = {
    "target": "TARGET",
    "kind": "KIND",
    "key": "KEY",
    "label": "NAME",
    "reason": "REASON",
    "found": "CANDIDATES",
    "verdict": "DECIDED",
}
_PARKED = {
    "target": "TARGET",
    "kind": "KIND",
    "key": "KEY",
    "label": "NAME",
    "reason": "REASON",
    "attempts": "ATTEMPTS",
    "due": "TRIED AGAIN",
}
_ORPHANS = {
    "target": "TARGET",
    "type": "TYPE",
    "id": "ID",
    "userName": "USERNAME",
    "displayName": "DISPLAY NAME",
    "externalId": "EXTERNAL ID",
    "active": "ACTIVE",
}


def explain(job: Job, person: Person, database: Database = None, as_json: AsJson = False) -> None:
    """Show a person's record, scope, mapped values, account, and what would change and why.

    Example: headcount sync explain hr.yaml 4711
    """
    found = with_jobs(database, lambda jobs: jobs.explain(job, person), as_json=as_json)
    show(found.as_json(), as_json=as_json, sentence=found.in_words())


def now(
    job: Job,
    person: Person,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what was sent and answered too, without secrets.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Synchronise one person alone, at once, and show every step and every request.

    Example: headcount sync now hr.yaml 4711
    """
    reports = with_jobs(database, lambda jobs: jobs.now(job, person), as_json=as_json)
    show_reports(reports, as_json=as_json, with_bodies=verbose)


def review(
    job: Job,
    person: Annotated[str | None, typer.Argument(metavar="PERSON", help="Whom to decide about, by key.")] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="TARGET", help="At which target.")] = None,
    link: Annotated[str | None, typer.Option(metavar="ID", help="It is this account.")] = None,
    ignore: Annotated[bool, typer.Option("--ignore", help="Leave the person out of this target.")] = False,
    create: Annotated[bool, typer.Option("--create", help="It is none of them: create an account.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List accounts whose owner is not plain, or decide about one; the next run acts on the decision.

    Example: headcount sync review hr.yaml 4711 --target slack --link U0123
    """
    if person is None:
        rows: list[dict[str, Any]] = with_jobs(database, lambda jobs: jobs.reviews(job), as_json=as_json)
        for row in [] if as_json else rows:
            row["found"] = [
                f"{one.get('userName') or one.get('displayName')} ({one['id']})" for one in row["candidates"]
            ]
        show_table(rows, _REVIEWS, as_json=as_json, none="Nothing waits for a decision.")
        return
    verdicts = [name for name, chosen in (("link", link), ("ignore", ignore), ("create", create)) if chosen]
    if target is None or len(verdicts) != 1:
        raise JobError("say --target TARGET, and one of --link ID, --ignore and --create")
    at = target
    decided = with_jobs(database, lambda jobs: jobs.decide(job, at, person, verdicts[0], link or ""), as_json=as_json)
    show(decided, as_json=as_json, sentence=f"Decided: {verdicts[0]}. The next run of the job acts on it.")


def parked(job: Job, database: Database = None, as_json: AsJson = False) -> None:
    """List records that are set aside, why, and when they are tried again."""
    rows = with_jobs(database, lambda jobs: jobs.parked(job), as_json=as_json)
    show_table(rows, _PARKED, as_json=as_json, none="Nothing is parked.")


def orphans(job: Job, target: Targets = None, database: Database = None, as_json: AsJson = False) -> None:
    """List accounts and groups at the targets that belong to nobody in the source. Reads everybody there."""
    rows = with_jobs(database, lambda jobs: jobs.orphans(job, target or ()), as_json=as_json)
    show_table(rows, _ORPHANS, as_json=as_json, none="There are no orphans.")


def drift(job: Job, target: Targets = None, database: Database = None, as_json: AsJson = False) -> None:
    """Show what somebody else changed at the targets. Reads everybody there; 'run --drift' deals with it by policy."""
    planned = with_jobs(database, lambda jobs: jobs.drift(job, target or ()), as_json=as_json)
    show_reports(planned, as_json=as_json)
