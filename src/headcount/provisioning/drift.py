"""What somebody else changed at a target: apart from what is to be done about the source."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from headcount.provisioning.desired import referred
from headcount.provisioning.differences import shown
from headcount.provisioning.jobs import Drift
from headcount.provisioning.links import Link, resolved
from headcount.provisioning.mapping.attributes import AttributeMapping, Owner
from headcount.provisioning.plan import Action, Change, ValueChange
from headcount.provisioning.records import RecordKind, TargetRecord
from headcount.provisioning.situation import Situation
from headcount.provisioning.targets.paths import holds, values_at


def drift_of(situation: Situation) -> Iterator[Change]:
    """A change for each account or group that has drifted, which would undo it; nothing unless all were read."""
    if situation.actual is None:
        return
    groups = situation.job.groups
    ids = {key: link.target_id for key, link in situation.links.persons.items()}
    sides = (
        (situation.links.persons, situation.job.mappings(situation.target)),
        (situation.links.groups, groups.mappings if groups else ()),
    )
    for links, mappings in sides:
        for link in links.values():
            change = _drift(link, situation.actual, mappings, ids)
            if change is not None:
                yield change


def overwritten(changes: list[Change], drift: list[Change], situation: Situation) -> list[Change]:
    """The changes with what undoes drift, where the target's policy says so."""
    if situation.target.drift is not Drift.OVERWRITE:
        return changes
    touched = {(change.kind, change.key) for change in changes}
    more = [change for change in drift if change.action is not Action.REVIEW]
    return [*changes, *(change for change in more if (change.kind, change.key) not in touched)]


def orphans(situation: Situation) -> list[TargetRecord]:
    """Accounts and groups at the target that belong to nobody in the source."""
    linked = {link.target_id for kind in RecordKind for link in situation.links.of(kind).values()}
    return [record for identifier, record in (situation.actual or {}).items() if identifier not in linked]


def _drift(
    link: Link, actual: Mapping[str, TargetRecord], mappings: tuple[AttributeMapping, ...], ids: Mapping[str, str]
) -> Change | None:
    change = Change(Action.UPDATE, link.kind, link.key, link.label, "", target_id=link.target_id)
    change = replace(change, ledger_version=link.version, fingerprint=link.fingerprint)
    record = actual.get(link.target_id)
    if record is None:
        return replace(change, action=Action.REVIEW, reason="the account is gone at the target", fingerprint="")
    values = tuple(_changed(link, record, mappings, ids))
    if not values:
        return None
    paths = ", ".join(value.path for value in values)
    references = tuple(sorted({key for value in values for key in referred(value.new)}))
    return replace(change, reason=f"changed at the target: {paths}", values=values, references=references)


def _changed(
    link: Link, record: TargetRecord, mappings: tuple[AttributeMapping, ...], ids: Mapping[str, str]
) -> Iterator[ValueChange]:
    """What the target does not have any more as it answered it last; what it never gave back is not looked at."""
    known, sent = link.known_values, link.sent_values
    for mapping in mappings:
        path = mapping.path
        if path not in sent or mapping.owner is Owner.TARGET or known[path] is None:
            continue
        if not holds(record.resource, path, resolved(known[path], ids)):
            yield ValueChange(path, shown(values_at(record.resource, path)), sent[path])
