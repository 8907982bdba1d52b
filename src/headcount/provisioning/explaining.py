"""Everything that the engine knows about one person: what `explain` shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from headcount.provisioning.moments import stamp
from headcount.provisioning.pairs import PairReport
from headcount.provisioning.reading import JobSource, evaluate_one
from headcount.provisioning.records import RecordKind, SourceRecord
from headcount.provisioning.runs import Runs

_PERSON = RecordKind.PERSON


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one person, for people and machines."""

    found: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return dict(self.found)

    def in_words(self) -> str:
        """For people."""
        return in_words(self.found)


async def explanation(runs: Runs, key: str, reports: Sequence[PairReport]) -> Explanation:
    """The record, and per target scope, values, link and what would change and why. Raises SourceError."""
    source = await JobSource.open(runs.job, runs.around, runs.clock)
    try:
        record = await source.read_one(_PERSON, key)
    finally:
        await source.close()
    targets = {report.target: await _at_target(runs, key, record, report) for report in reports}
    shown = {"place": record.place, "attributes": dict(record.attributes)} if record else None
    return Explanation({"key": key, "record": shown, "targets": targets})


async def _at_target(runs: Runs, key: str, record: SourceRecord | None, report: PairReport) -> dict[str, Any]:
    settings = runs.job.targets[report.target]
    desired = evaluate_one(runs.job, record, (_PERSON, key), stamp(runs.clock())[:10])
    ledger = runs.ledger(report.target)
    links = await ledger.links()
    link = links.persons.get(key)
    found: dict[str, Any] = {"link": None}
    if person := desired.persons.get(key):
        found["inScope"] = desired.is_in(person, settings)
        found["scope"] = [scope.text for scope in runs.job.scope_of(settings)]
        found["values"] = orjson.loads(person.states[settings.variant].document)
    if parked := desired.parked.get((_PERSON, key)):
        found["problem"] = parked.reason
    if link:
        found["link"] = {
            "id": link.target_id,
            "userName": link.label,
            "left": link.left or None,
            "known": link.known_values,
        }
    identity = (_PERSON, key)
    for part, kept in (("parked", await ledger.parked()), ("review", await ledger.reviews())):
        if identity in kept:
            found[part] = kept[identity].reason
    if report.failure:
        found["error"] = report.failure
    if report.plan:
        found["changes"] = [_change(asdict(change)) for change in report.plan.changes]
        found["held"] = [item.kind.value for item in report.plan.held]
    return found


def _change(change: Mapping[str, Any]) -> dict[str, Any]:
    names = ("action", "kind", "key", "label", "reason", "values", "added", "removed", "candidates")
    return {name: change[name] for name in names if change[name]}


def in_words(found: Mapping[str, Any]) -> str:
    """The explanation for people."""
    record = found["record"]
    lines = [f"Person {found['key']}: " + (f"in the source ({record['place']})" if record else "not in the source")]
    if record:
        lines += [f"  {name} = {_text(value)}" for name, value in record["attributes"].items()]
    for target, there in found["targets"].items():
        lines += ["", f"{target}:", *_target_in_words(there)]
    return "\n".join(lines)


def _target_in_words(there: Mapping[str, Any]) -> list[str]:
    lines = []
    if "inScope" in there:
        rules = " and ".join(there["scope"]) or "no rule"
        lines.append(f"  {'in' if there['inScope'] else 'not in'} scope ({rules})")
    lines += [f"  {path} = {_text(value)}" for path, value in there.get("values", {}).items()]
    link = there["link"]
    lines.append(f"  linked to {link['id']} ({link['userName']})" if link else "  not linked to any account")
    lines += [f"  {part}: {there[part]}" for part in ("problem", "parked", "review", "error") if part in there]
    if "changes" in there:
        lines += [f"  would {item['action']}: {item['reason']}" for item in there["changes"]] or [
            "  nothing would change"
        ]
    if there.get("held"):
        lines.append(f"  the guard holds: {', '.join(there['held'])}")
    return lines


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
