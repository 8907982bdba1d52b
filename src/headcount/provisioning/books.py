"""The links of a pair while a run goes on: as they are now, and what has to be put so that the ledger has them too."""

from collections.abc import Iterator
from dataclasses import replace

from headcount.provisioning.ledger import Identity, Ledger
from headcount.provisioning.links import Link, Links, link_after
from headcount.provisioning.moments import Clock, stamp
from headcount.provisioning.plan import Change
from headcount.provisioning.records import RecordKind, TargetRecord
from headcount.provisioning.stepping import ids_of
from headcount.provisioning.targets.steps import Done
from headcount.store.keeping import Put


class Books:
    """All links of a pair, kept up to date."""

    def __init__(self, ledger: Ledger, links: Links, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._persons = dict(links.persons)
        self._groups = dict(links.groups)
        self.links = Links(self._persons, self._groups)
        self.ids = ids_of(links)
        """The ids of persons at the target by source key."""

    def link(self, identity: Identity) -> Link | None:
        """The link of somebody, None while there is none."""
        kind, key = identity
        return self._of(kind).get(key)

    def now(self) -> str:
        """The time."""
        return stamp(self._clock())

    def done(self, change: Change, done: Done) -> Iterator[Put]:
        """The link after what was done of a change."""
        identity = (change.kind, change.key)
        after = link_after(
            change,
            self.link(identity),
            target_id=done.target_id or change.target_id,
            now=self.now(),
            answered=done.resource or None,
            etag=done.version,
            ids=self.ids,
        )
        yield from self.become(identity, after)

    def seen(self, identity: Identity, current: TargetRecord) -> Iterator[Put]:
        """The link with the version that the target has now: the next plan is made against that."""
        if (link := self.link(identity)) and link.etag != current.version:
            yield from self.become(identity, replace(link, etag=current.version, version=link.version + 1))

    def become(self, identity: Identity, after: Link | None) -> Iterator[Put]:
        """Another link in place of the one that is there; None for none."""
        kind, key = identity
        before = self.link(identity)
        if before is None and after is None:
            return
        yield self._ledger.put_link(before, after, identity)
        if after is not None:
            self._of(kind)[key] = after
        else:
            del self._of(kind)[key]
        if kind is RecordKind.PERSON and after is not None:
            self.ids[key] = after.target_id
        elif kind is RecordKind.PERSON:
            self.ids.pop(key, None)

    def _of(self, kind: RecordKind) -> dict[str, Link]:
        return self._persons if kind is RecordKind.PERSON else self._groups
