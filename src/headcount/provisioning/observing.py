"""What is seen without changing anything: targets, whom nobody answers for, and how a job stands."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from headcount.provisioning.applying import shown_of
from headcount.provisioning.jobs import TargetSettings
from headcount.provisioning.ledger import PairState
from headcount.provisioning.links import Links
from headcount.provisioning.moments import stamp
from headcount.provisioning.pairs import PairReport, Standing, everybody_at
from headcount.provisioning.records import TargetRecord
from headcount.provisioning.runs import Runs


async def check(runs: Runs, settings: TargetSettings) -> dict[str, Any]:
    """What a target is found to be; what stands in the way is told as `error`."""
    reports = {settings.name: PairReport(settings.name)}
    async with runs.open_pairs(reports) as pairs:
        for pair in pairs:
            if await runs.connected(pair, anew=True):
                profile = asdict(pair.target.profile)
                return {"capabilities": profile, "findings": list(pair.target.findings)}
    return {"error": reports[settings.name].failure}


async def orphans(runs: Runs, names: Sequence[str]) -> list[dict[str, Any]]:
    """Accounts and groups at targets that no record is linked to; raises TargetError."""
    reports = {settings.name: PairReport(settings.name) for settings in runs.settings_of(names)}
    rows: list[dict[str, Any]] = []
    async with runs.open_pairs(reports) as pairs:
        for pair in pairs:
            await runs.connect(pair)
            rows += _orphans_of(pair.settings.name, await pair.ledger.links(), await everybody_at(pair.target))
    return rows


async def status(runs: Runs, settings: TargetSettings) -> dict[str, Any]:
    """How a target stands, as the ledger says."""
    ledger = runs.ledger(settings.name)
    standing, links = await Standing.of(ledger), await ledger.links()
    state = standing.state
    return {
        "target": settings.name,
        "state": _word_for(state, stamp(runs.clock())),
        "persons": len(links.persons),
        "groups": len(links.groups),
        "parked": len(standing.parked) + len(standing.intents),
        "reviews": sum(not kept.verdict for kept in standing.reviews.values()),
        "held": {item["kind"]: len(item["changes"]) for item in state.held},
        "failures": state.failures,
        "trouble": state.trouble,
        "readAt": state.read_at,
        "watermark": state.watermark,
    }


def _orphans_of(target: str, known: Links, actual: Mapping[str, TargetRecord]) -> list[dict[str, Any]]:
    linked = {link.target_id for links in (known.persons, known.groups) for link in links.values()}
    return [
        {"target": target, "type": record.type, "id": record.id, **shown_of(record.resource)}
        for record in actual.values()
        if record.id not in linked
    ]


def _word_for(state: PairState, now: str) -> str:
    if state.detached:
        return "detached"
    if state.quarantined_until > now:
        return f"quarantined until {state.quarantined_until[:19]}Z"
    if state.run:
        return "interrupted or under way"
    return "failing" if state.failures else "held" if state.held else "ready" if state.read_at else "new"
