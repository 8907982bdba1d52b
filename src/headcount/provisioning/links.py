"""Links: who is which account at a target, what was sent there, and what the target made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from headcount.provisioning.mapping.attributes import Flat
from headcount.provisioning.plan import Action, Change
from headcount.provisioning.records import RecordKind
from headcount.provisioning.targets.paths import holds, values_at
from headcount.scim.schemas import Json


@dataclass(frozen=True, slots=True)
class Link:
    """What the ledger knows of one person or group at one target."""

    kind: RecordKind
    key: str
    """The source key."""
    target_id: str
    label: str = ""
    """The userName or displayName that was sent last."""
    sent: bytes = b"{}"
    """JSON: the flat state that was sent last; references as source keys."""
    answered: bytes = b"{}"
    """JSON: of that, by path, what the target made different; null for what it did not give back."""
    fingerprint: str = ""
    """Of the desired state that was carried out last; empty when something is left to be done."""
    left: str = ""
    """When the account was deactivated because its person left: UTC, fixed width; empty while they are here."""
    members: tuple[str, ...] = ()
    """Source keys of the members that the target has, of a group."""
    etag: str = ""
    """The entity tag that the target gave last."""
    version: int = 0
    """Of the entry in the ledger."""

    @property
    def sent_values(self) -> Flat:
        """The flat state that was sent last."""
        values: Flat = orjson.loads(self.sent)
        return values

    @property
    def known_values(self) -> Flat:
        """What the target is known to have, in place of what it was sent."""
        return {**self.sent_values, **orjson.loads(self.answered)}


@dataclass(frozen=True, slots=True)
class Links:
    """All links of a (job, target) pair, by source key."""

    persons: Mapping[str, Link] = field(default_factory=dict)
    groups: Mapping[str, Link] = field(default_factory=dict)

    def of(self, kind: RecordKind) -> Mapping[str, Link]:
        """Those of persons, or of groups."""
        return self.persons if kind is RecordKind.PERSON else self.groups


def link_to_json(link: Link) -> bytes:
    """A link as the ledger keeps it; its version is the ledger's."""
    document = {name: getattr(link, name) for name in _TEXTS}
    document |= {"kind": link.kind, "sent": orjson.Fragment(link.sent), "answered": orjson.Fragment(link.answered)}
    return orjson.dumps({**document, "members": link.members})


def link_from_json(document: bytes, *, version: int) -> Link:
    """The link that `link_to_json` wrote."""
    values = orjson.loads(document)
    return Link(
        kind=RecordKind(values["kind"]),
        sent=canonical(values["sent"]),
        answered=canonical(values["answered"]),
        members=tuple(values["members"]),
        version=version,
        **{name: values[name] for name in _TEXTS},
    )


_TEXTS: Final = ("key", "target_id", "label", "fingerprint", "left", "etag")


def change_of(action: Action, link: Link, reason: str, digest: str) -> Change:
    """A change of what is linked, under the version that the link has."""
    return Change(
        action,
        link.kind,
        link.key,
        link.label,
        reason,
        target_id=link.target_id,
        source_digest=digest,
        ledger_version=link.version,
    )


def link_after(  # everything that is known of an outcome
    change: Change,
    link: Link | None,
    *,
    target_id: str,
    now: str,
    answered: Mapping[str, Json] | None = None,
    etag: str = "",
    ids: Mapping[str, str] | None = None,
) -> Link | None:
    """The link once a change is done, under the version that the ledger gives it next; None when the account is gone.

    `ids` gives target ids by source key, for references.
    `answered` is the resource as the target gave it back, when it did. A change that was done in part is given
    with the members that arrived.
    """
    if change.action is Action.DELETE:
        return None
    before = link or Link(change.kind, change.key, target_id)
    sent = _sent_after(change, before)
    members = (set(before.members) | set(change.added)) - set(change.removed)
    return replace(
        before,
        target_id=target_id or before.target_id,
        label=change.label,
        sent=canonical(sent),
        answered=canonical(_differences(sent, answered, ids or {}) if answered else _still_known(change, before)),
        fingerprint=before.fingerprint if change.action is Action.MEMBERS else change.fingerprint,
        left=(before.left or now) if change.is_leaver else "",
        members=tuple(sorted(members)),
        etag=etag or before.etag,
        version=before.version + 1,
    )


def _sent_after(change: Change, before: Link) -> Flat:
    sent: Flat = {} if change.action is Action.CREATE else {**before.sent_values, **change.agreed}
    for path, new in change.values.wanted.items():
        if new is None:
            sent.pop(path, None)
        else:
            sent[path] = new
    return sent


def _still_known(change: Change, before: Link) -> Flat:
    """What is known to differ, when the target says nothing about what it was sent just now."""
    changed = change.values.wanted
    known: Flat = orjson.loads(before.answered)
    return {path: value for path, value in known.items() if path not in changed}


def _differences(sent: Flat, answered: Mapping[str, Json], ids: Mapping[str, str]) -> Flat:
    return {
        path: _one(values_at(answered, path))
        for path, value in sent.items()
        if not holds(answered, path, resolved(value, ids))
    }


def _one(values: list[Json]) -> Json:
    return values[0] if len(values) == 1 else values or None


def resolved(value: Json, ids: Mapping[str, str]) -> Json:
    """A value with references `{"$key": …}` replaced by ids, where these are known."""
    if isinstance(value, dict):
        if len(value) == 1 and "$key" in value:
            return ids.get(value["$key"], value)
        return {name: resolved(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, ids) for item in value]
    return value


def canonical(value: Any) -> bytes:
    """JSON with sorted members: equal exactly when the values are."""
    return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)))  # a copy without the slack of 4 KiB
