"""What became of changes that were begun and whose outcome nobody recorded: the target is looked at, nothing repeated.

A create is looked up by its keys. Of everything else the account itself tells what was done of it; only members of a
group that does not show them are sent once more, which changes nothing if they arrived.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headcount.provisioning.books import Books
from headcount.provisioning.ledger import Identity, Intent, Ledger
from headcount.provisioning.links import resolved
from headcount.provisioning.moments import later
from headcount.provisioning.plan import NO_VALUES, Action, Change, Values
from headcount.provisioning.records import RecordKind, TargetRecord
from headcount.provisioning.stepping import TYPES, step_of, those_there, who_arrived
from headcount.provisioning.targets.errors import TargetError
from headcount.provisioning.targets.paths import holds, member, values_at
from headcount.provisioning.targets.steps import Conflict, Done, Refused, Unknown
from headcount.provisioning.targets.target import Target
from headcount.store.keeping import Put

_FOUND = "found to be done after an interruption"


class Settler:
    """Settles the intents of one pair."""

    def __init__(self, target: Target, ledger: Ledger, books: Books) -> None:
        self._target = target
        self._ledger = ledger
        self._books = books

    async def settle(self, intents: Mapping[Identity, Intent]) -> set[Identity]:
        """Looks at those whose time has come; the others, and those that cannot be read, stay as they are.

        Gives those whose place an account has that may be ours or not: correlation decides about them in the next plan.
        """
        contested = set()
        for identity, intent in intents.items():
            due = intent.due or later(intent.at, self._target.profile.settle)
            if due > self._books.now():
                continue
            try:
                puts = await self._looked_at(identity, intent.change, intent)
            except TargetError:
                continue
            if puts is None:
                contested.add(identity)
            await self._ledger.keep([*(puts or ()), *self._over(identity, puts)])
        return contested

    def _over(self, identity: Identity, puts: Sequence[Put] | None) -> list[Put]:
        """An intent and a parked record that are done with, unless the intent was put anew."""
        is_open = any(put.collection.endswith("/intents") for put in puts or ())
        return [] if is_open else [self._ledger.drop(part, identity) for part in ("intents", "parked")]

    async def _looked_at(self, identity: Identity, change: Change, intent: Intent) -> Sequence[Put] | None:
        """What follows; None when it is not certain whose account it is."""
        match change.action:
            case Action.CREATE:
                return [] if self._books.link(identity) else await self._create(identity, change, intent)
            case Action.ADOPT:
                return []  # the next plan compares the account with what it is to be
            case Action.DELETE:
                is_there = await self._target.get(TYPES[change.kind], change.target_id)
                return [] if is_there else [*self._books.become(identity, None), self._recorded(intent)]
            case _:
                return await self._change(identity, change, intent)

    async def _create(self, identity: Identity, change: Change, intent: Intent) -> Sequence[Put] | None:
        outcome = await self._target.settle(step_of(replace(change, references=()), self._books.links, self._books.ids))
        match outcome:
            case Done():
                return await self._created(change, outcome, intent)
            case Refused():
                return []
            case Conflict(_, candidates):
                found = self._hardly_anothers(change, candidates)
                return await self._created(change, found, intent) if found else None
            case Unknown(_, wait):
                return [self._ledger.put_intent(identity, replace(intent, due=later(self._books.now(), wait)))]
            case _:
                return [self._ledger.put_intent(identity, intent)]

    def _hardly_anothers(self, change: Change, candidates: Sequence[TargetRecord]) -> Done | None:
        """An account without any externalId that has what we sent: nobody had its name when the plan was made."""
        if len(candidates) != 1 or values_at(candidates[0].resource, "externalId"):
            return None
        record = candidates[0]
        sent = {path: resolved(new, self._books.ids) for path, new in change.values.wanted.items()}
        agrees = all(
            holds(record.resource, path, new) for path, new in sent.items() if values_at(record.resource, path)
        )
        return Done(record.id, record.resource, record.version) if agrees else None

    async def _created(self, change: Change, done: Done, intent: Intent) -> Sequence[Put]:
        """An account that was found; a group is given its members once more, as nobody knows who arrived."""
        if change.kind is RecordKind.GROUP and change.added:
            there = those_there(change, self._books.links)
            members = replace(there, action=Action.MEMBERS, target_id=done.target_id, values=NO_VALUES)
            outcome = await self._target.carry_out(step_of(members, self._books.links, self._books.ids))
            if not isinstance(outcome, Done):
                return [*self._books.done(replace(change, added=(), fingerprint=""), done)]
            return [*self._books.done(there, done), self._recorded(intent)]
        return [*self._books.done(change, done), self._recorded(intent)]

    async def _change(self, identity: Identity, change: Change, intent: Intent) -> Sequence[Put]:
        """As much of a change as the account shows."""
        link = self._books.link(identity)
        record = await self._target.get(TYPES[change.kind], link.target_id) if link else None
        if record is None:
            return []
        if (change.added or change.removed) and not isinstance(member(record.resource, "members"), list):
            return await self._members_again(change, intent)
        seen = self._seen(change, record)
        if not (seen.values or seen.added or seen.removed):
            return []
        done = Done(record.id, record.resource, record.version)
        is_whole = (seen.values, seen.added, seen.removed) == (change.values, change.added, change.removed)
        return [*self._books.done(change if is_whole else seen, done), *([self._recorded(intent)] if is_whole else [])]

    async def _members_again(self, change: Change, intent: Intent) -> Sequence[Put]:
        there = those_there(change, self._books.links)
        outcome = await self._target.carry_out(step_of(there, self._books.links, self._books.ids))
        if isinstance(outcome, Done):
            return [*self._books.done(there, outcome), self._recorded(intent)]
        return [self._ledger.put_intent((change.kind, change.key), intent)]

    def _seen(self, change: Change, record: TargetRecord) -> Change:
        """The part of a change that an account shows."""
        values = Values(
            value for value in change.values if holds(record.resource, value.path, resolved(value.new, self._books.ids))
        )
        members = {member(item, "value") for item in member(record.resource, "members") or ()}
        links = self._books.links
        away = {link.target_id for link in (*links.persons.values(), *links.groups.values())} - members
        return replace(who_arrived(change, links, members, away), values=values)

    def _recorded(self, intent: Intent) -> Put:
        return self._ledger.put_settled(intent.plan, intent.place, _FOUND)
