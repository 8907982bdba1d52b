"""The ledger of a (job, target) pair, kept in the tenant that owns the job: links, what is set aside, and runs.

Everything that follows from one outcome is put at once: the link, the outcome itself, and what was set aside. Changes
that travel together have one entry that says that they begin, and one of what became of them.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

import orjson

from headcount.provisioning.correlation import Decision, Verdict
from headcount.provisioning.guard import Past
from headcount.provisioning.links import Link, Links, link_from_json, link_to_json
from headcount.provisioning.plan import Change, GuardKind
from headcount.provisioning.plan_json import change_from_json, plain
from headcount.provisioning.records import RecordKind
from headcount.provisioning.saved import SavedPlans
from headcount.provisioning.targets.knowledge import Findings
from headcount.scim.schemas import Json
from headcount.store.keeping import ABSENT, Entry, Line, Put, TenantKeeping

_PAGE: Final = 1_000
_MOST_RUNS: Final = 1_000
Identity = tuple[RecordKind, str]


class Status(StrEnum):
    """What became of a change."""

    DONE = "done"
    MOVED = "moved"
    """A precondition did not hold; nothing was done."""
    REFUSED = "refused"
    CONFLICT = "conflict"
    """It waits for a human."""
    GONE = "gone"
    UNKNOWN = "unknown"
    """It may have happened or not."""
    SKIPPED = "skipped"
    """Somebody it refers to is not there."""


PlacedOutcome: TypeAlias = tuple[int, Status, str]
"""The place of a change in its plan, what became of it, and why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that was set aside about one person or group."""

    kind: RecordKind
    key: str
    label: str
    reason: str
    since: str
    """UTC, fixed width."""
    attempts: int = 0
    due: str = ""
    """When it is tried again; empty for the next run."""
    digest: str = ""
    """Of the source record that was tried: another one is tried at once."""
    candidates: tuple[Mapping[str, Json], ...] = ()
    """What a human has to choose from."""
    verdict: str = ""
    """What a human has decided: link, ignore or create."""
    target_id: str = ""
    """Of a link."""
    is_conflict: bool = False
    """Whether the target itself said that a value is taken."""

    @property
    def identity(self) -> Identity:
        """Who it is about."""
        return self.kind, self.key

    @property
    def decision(self) -> Decision | None:
        """What a human has decided, None while nobody has."""
        return Decision(Verdict(self.verdict), self.target_id) if self.verdict else None


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that was begun and whose outcome is not recorded: it is settled before anything else is done."""

    change: Change
    plan: str
    """The plan that it is of."""
    place: int
    """In that plan."""
    at: str
    due: str = ""
    """From when on the target's lookups can be believed."""


@dataclass(frozen=True, slots=True)
class PairState:
    """How a pair stands."""

    watermark: str = ""
    read_at: str = ""
    """When the reading of that watermark began."""
    full_at: str = ""
    """When everything was read last."""
    job_digest: str = ""
    """Of the job as it was carried out last: another one reads everything."""
    failures: int = 0
    """Runs in a row that the target made fail."""
    quarantined_until: str = ""
    trouble: str = ""
    """Why the last run failed, in words."""
    run: str = ""
    """The run that is under way, or was interrupted."""
    plan: str = ""
    """The plan of that run."""
    held: tuple[Mapping[str, Json], ...] = ()
    """What the guard holds: kind, count, limit, and (kind, key, action) of its changes."""
    pending: tuple[tuple[str, str], ...] = ()
    """(kind, key) of records that have to be looked at again, whether they change or not."""
    detached: str = ""
    """When the relation was ended."""
    version: int = field(default=0, compare=False)


class Ledger:
    """What is kept of one pair."""

    def __init__(self, store: TenantKeeping, job: str, target: str) -> None:
        self._store = store
        self.name = f"sync/{job}/{target}"
        """Of its lease."""
        self._job = job
        self._target = target

    async def links(self) -> Links:
        """All links, by source key."""
        found: dict[RecordKind, dict[str, Link]] = {RecordKind.PERSON: {}, RecordKind.GROUP: {}}
        async for entry in self._all("links"):
            link = link_from_json(entry.value, version=entry.version)
            found[link.kind][link.key] = link
        return Links(found[RecordKind.PERSON], found[RecordKind.GROUP])

    async def state(self) -> PairState:
        """How the pair stands."""
        entry = await self._store.entry(f"sync/{self._job}/states", self._target)
        if entry is None:
            return PairState()
        values = orjson.loads(entry.value)
        values["held"], values["pending"] = tuple(values["held"]), tuple((kind, key) for kind, key in values["pending"])
        return PairState(**values, version=entry.version)

    async def linked(self) -> AsyncIterator[tuple[Identity, bool]]:
        """Who is linked, and whether they have left: no link is held for it."""
        async for entry in self._all("links"):
            yield _identity(entry.key), bool(orjson.loads(entry.value)["left"])

    async def findings(self) -> Findings | None:
        """What was found out about the target, None when it was never probed."""
        entry = await self._store.entry(f"sync/{self._job}/findings", self._target)
        if entry is None:
            return None
        values = orjson.loads(entry.value)
        return Findings(**{**values, "words": tuple(values["words"])})

    def put_findings(self, found: Findings | None) -> Put:
        """Puts what was found out; None to have the target probed by the next run."""
        return Put(f"sync/{self._job}/findings", self._target, orjson.dumps(found) if found else None)

    async def save(self, state: PairState, puts: Sequence[Put] = ()) -> PairState:
        """Keeps how the pair stands, with whatever else; raises VersionConflictError when somebody else was faster."""
        values = {name: value for name, value in asdict(state).items() if name != "version"}
        key = f"sync/{self._job}/states"
        put = Put(key, self._target, orjson.dumps(values), expected=state.version or ABSENT)
        await self._store.put([put, *puts])
        return replace(state, version=state.version + 1)

    async def keep(self, puts: Sequence[Put]) -> None:
        """Keeps what follows from an outcome, all of it or nothing."""
        if puts:
            await self._store.put(puts)

    async def parked(self) -> dict[Identity, Kept]:
        """Records that are set aside until they are tried again."""
        return {kept.identity: kept for kept in [_kept(entry) async for entry in self._all("parked")]}

    async def reviews(self) -> dict[Identity, Kept]:
        """Records about which a human decides or has decided."""
        return {kept.identity: kept for kept in [_kept(entry) async for entry in self._all("reviews")]}

    async def intents(self) -> dict[Identity, Intent]:
        """Changes whose outcome is not recorded."""
        found = {_identity(entry.key): _intent(entry) async for entry in self._all("intents")}
        async for entry in self._all("begun"):
            found |= await self._begun(entry)
        return found

    async def unfold(self) -> None:
        """Writes changes that were begun together down one by one, so that they can be settled one by one."""
        for entry in [entry async for entry in self._all("begun")]:
            intents = await self._begun(entry)
            puts = [self.put_intent(identity, intent) for identity, intent in intents.items()]
            await self._store.put([*puts, Put(self._collection("begun"), entry.key, None)])

    async def _begun(self, entry: Entry) -> dict[Identity, Intent]:
        values = orjson.loads(entry.value)
        changes = await SavedPlans(self._store).changes(values["plan"], values["places"])
        return {
            (change.kind, change.key): Intent(change, values["plan"], place, values["at"])
            for place, change in changes.items()
        }

    async def outcomes(self, plan: str) -> dict[int, tuple[Status, str]]:
        """What became of the changes of a plan, by their place in it: (status, reason)."""
        return {
            place: (Status(status), reason)
            async for entry in self._all(f"outcomes/{plan}")
            for place, status, reason in orjson.loads(entry.value)
        }

    async def forget_outcomes(self, plan: str) -> None:
        """Removes what became of the changes of a plan that is over."""
        collection = self._collection(f"outcomes/{plan}")
        async for batch in self._batches(f"outcomes/{plan}"):
            await self._store.put([Put(collection, entry.key, None) for entry in batch])

    async def record_run(self, line: Mapping[str, Json], at: str) -> None:
        """Adds a run to the history."""
        await self._store.append(f"sync/{self._job}/runs", [Line(at, orjson.dumps(line), self._target)])

    async def history(self, since: str) -> list[Past]:
        """What was done at the target since a time."""
        past: list[Past] = []
        for line in await self._runs(_MOST_RUNS):
            if line.at < since:
                break
            done = orjson.loads(line.value).get("guarded") or {}
            past += [Past(line.at, GuardKind(kind), count) for kind, count in done.items()]
        return past

    async def runs(self, limit: int = 20) -> list[dict[str, Json]]:
        """The last runs, newest first."""
        return [{"at": line.at, "target": line.key, **orjson.loads(line.value)} for line in await self._runs(limit)]

    async def _runs(self, limit: int) -> Sequence[Line]:
        return await self._store.lines(f"sync/{self._job}/runs", key=self._target, newest_first=True, limit=limit)

    async def clear(self, *parts: str) -> None:
        """Removes links, parked, reviews or intents."""
        for part in parts:
            async for batch in self._batches(part):
                await self._store.put([Put(self._collection(part), entry.key, None) for entry in batch])

    def put_link(self, before: Link | None, after: Link | None, identity: Identity) -> Put:
        """Puts a link in the place of another, which has to be there still; None for no link."""
        expected = before.version if before else ABSENT
        value = link_to_json(after) if after else None
        return Put(self._collection("links"), _name(identity), value, expected)

    def put_begun(self, plan: str, places: Sequence[int], at: str) -> Put:
        """Puts that some changes of a saved plan are about to begin."""
        value = orjson.dumps({"plan": plan, "places": places, "at": at})
        return Put(self._collection("begun"), f"{places[0]:09}", value)

    def drop_begun(self, places: Sequence[int]) -> Put:
        """Removes that changes are about to begin."""
        return Put(self._collection("begun"), f"{places[0]:09}", None)

    def put_outcomes(self, plan: str, outcomes: Sequence[PlacedOutcome]) -> Put:
        """Puts what became of some changes of a plan that were carried out together."""
        return Put(self._collection(f"outcomes/{plan}"), f"{outcomes[0][0]:09}", orjson.dumps(outcomes))

    def put_settled(self, plan: str, place: int, reason: str) -> Put:
        """Puts that a change whose outcome was unknown is done; it stands behind what was recorded of it before."""
        value = orjson.dumps([(place, Status.DONE, reason)])
        return Put(self._collection(f"outcomes/{plan}"), f"{place:09}+", value)

    def put_kept(self, part: str, kept: Kept) -> Put:
        """Puts what is set aside, in `parked` or `reviews`."""
        return Put(self._collection(part), _name(kept.identity), orjson.dumps(kept))

    def put_intent(self, identity: Identity, intent: Intent) -> Put:
        """Puts a change that is about to begin, or whose outcome is unknown."""
        return Put(self._collection("intents"), _name(identity), orjson.dumps(intent, default=plain))

    def drop(self, part: str, identity: Identity) -> Put:
        """Removes what was set aside."""
        return Put(self._collection(part), _name(identity), None)

    def drop_all(self, part: str, identities: Iterable[Identity]) -> list[Put]:
        """Removes some of what was set aside."""
        return [self.drop(part, identity) for identity in identities]

    def _collection(self, part: str) -> str:
        return f"{self.name}/{part}"

    async def _all(self, part: str) -> AsyncIterator[Entry]:
        async for batch in self._batches(part):
            for entry in batch:
                yield entry

    async def _batches(self, part: str) -> AsyncIterator[Sequence[Entry]]:
        after = ""
        while batch := await self._store.entries(self._collection(part), after=after, limit=_PAGE):
            yield batch
            after = batch[-1].key
            if len(batch) < _PAGE:
                return


def _name(identity: Identity) -> str:
    kind, key = identity
    return f"{kind}/{key}"


def _identity(name: str) -> Identity:
    kind, _, key = name.partition("/")
    return RecordKind(kind), key


def _intent(entry: Entry) -> Intent:
    values = orjson.loads(entry.value)
    return Intent(change_from_json(values.pop("change")), **values)


def _kept(entry: Entry) -> Kept:
    values = orjson.loads(entry.value)
    return Kept(**{**values, "kind": RecordKind(values["kind"]), "candidates": tuple(values["candidates"])})
