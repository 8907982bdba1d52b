"""Who is a member of what."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from headcount.store.interface import MembershipChange, MembershipCycleError, UnknownMemberError


@dataclass(frozen=True, slots=True)
class Moves:
    """Members that really come and go, each with its type."""

    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Memberships:
    """Memberships, seen from both sides."""

    members: dict[str, dict[str, str]] = field(default_factory=dict)
    """Group id → member id → the member's type."""
    groups: dict[str, set[str]] = field(default_factory=dict)
    """Member id → the ids of the groups that it is in."""

    def of(self, group_id: str) -> Mapping[str, str]:
        """The members of a group, with their types."""
        return self.members.get(group_id, {})

    def direct(self, member_id: str) -> Iterable[str]:
        """The groups that somebody is a member of."""
        return sorted(self.groups.get(member_id, ()))

    def all_above(self, member_id: str) -> dict[str, str]:
        """All groups that somebody is in: `direct`, or `indirect` through other groups."""
        found = dict.fromkeys(self.direct(member_id), "direct")
        rest = list(found)
        while rest:
            above = [group for group in self.direct(rest.pop()) if group not in found]
            found |= dict.fromkeys(above, "indirect")
            rest += above
        return found

    def moves(self, group_id: str, change: MembershipChange | None, kind_of: Callable[[str], str | None]) -> Moves:
        """What a change comes to; raises UnknownMemberError and MembershipCycleError."""
        if change is None:
            return Moves()
        members, wanted = self.of(group_id), dict.fromkeys(change.added)
        gone = [member for member in members if member not in wanted] if change.clear else change.removed
        removed = {member: members[member] for member in gone if member in members}
        added: dict[str, str] = {}
        for member in wanted:
            if member == group_id:
                raise MembershipCycleError(member)
            kind = kind_of(member)
            if kind is None:
                raise UnknownMemberError(member)
            if member not in members or member in removed:
                added[member] = kind
        above = self.all_above(group_id)
        for member in added:
            if member in above:
                raise MembershipCycleError(member)
        return Moves(added, removed)

    def carry_out(self, group_id: str, moves: Moves) -> None:
        """Members go, then members come."""
        for member in moves.removed:
            self._part(group_id, member)
        for member, kind in moves.added.items():
            self.members.setdefault(group_id, {})[member] = kind
            self.groups.setdefault(member, set()).add(group_id)

    def leave_all(self, resource_id: str) -> Iterable[str]:
        """Ends all memberships of a resource on both sides; gives the groups that it was in."""
        for member in list(self.of(resource_id)):
            self._part(resource_id, member)
        left = list(self.direct(resource_id))
        for group_id in left:
            self._part(group_id, resource_id)
        return left

    def _part(self, group_id: str, member_id: str) -> None:
        del self.members[group_id][member_id]
        self.groups[member_id].discard(group_id)
