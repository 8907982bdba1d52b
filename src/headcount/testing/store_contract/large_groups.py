"""Groups of very many members."""

import time
import tracemalloc
from collections.abc import Callable
from typing import ClassVar

import pytest

from headcount.scim.registry import GROUP
from headcount.store.interface import Create, Delete, Keys, TenantStore, UnknownMemberError, Written
from headcount.testing.store_contract.examples import EARLY, LATE, USER, create, member_change, origin
from headcount.testing.store_contract.harness import Harness, House, Snapshot, together

_AT_ONCE = 2_000
_TIMES = 15
_NEWCOMER = "newcomer"


class LargeGroups(Harness):
    """The cost of one member is that of one member."""

    most_members: ClassVar[int] = 100_000

    @pytest.fixture(scope="class")
    @classmethod
    def crowd(cls, open_house: tuple[House, Snapshot]) -> TenantStore:
        """A tenant with a group of very many and a group of few."""
        house, _ = open_house
        tenant = house.new_tenant()
        house.runner.run(_fill(tenant, cls._names()))
        return tenant

    @pytest.fixture
    def _in_crowd(self, crowd: TenantStore, _own_tenant: None) -> None:
        self.tenant = crowd

    @classmethod
    def _names(cls) -> list[str]:
        return [f"u{number:06}" for number in range(cls.most_members)]

    @pytest.mark.usefixtures("_in_crowd")
    def test_very_many_members_come_in_one_write_and_are_read_in_pages(self) -> None:
        assert self.read(GROUP, "large").member_count == self.most_members
        found: list[str] = []
        while page := self.members("large", after=found[-1] if found else "", limit=10_000):
            assert len(page) == min(10_000, self.most_members - len(found))
            found += [member.id for member in page]
        assert found == self._names()

    @pytest.mark.usefixtures("_in_crowd")
    def test_one_member_comes_and_goes_without_the_others_being_loaded(self) -> None:
        assert self.peak(lambda: self._come_and_go("large")) < 1024 * 1024

    @pytest.mark.usefixtures("_in_crowd")
    def test_a_group_and_a_few_of_its_members_are_read_without_the_others_being_loaded(self) -> None:
        def read() -> None:
            assert self.read(GROUP, "large").member_count == self.most_members
            assert [member.id for member in self.members("large", only=("u000007", _NEWCOMER))] == ["u000007"]

        assert self.peak(read) < 1024 * 1024

    @pytest.mark.usefixtures("_in_crowd")
    def test_an_unknown_one_among_very_many_is_refused_by_name(self) -> None:
        with pytest.raises(UnknownMemberError) as refusal:
            self.write(create(GROUP, "refused", members=[*self._names(), "nobody"]))
        assert refusal.value.member == "nobody"
        assert not self.exists(GROUP, "refused")
        assert self.members("refused") == []

    @pytest.mark.usefixtures("_in_crowd")
    def test_very_many_members_are_replaced_by_a_few_and_go_with_their_group(self) -> None:
        names = self._names()
        self.write(create(GROUP, "brief", members=names))
        few = member_change("brief", added=[*names[:2], _NEWCOMER], clear=True)
        assert self.write(few) == Written(2, EARLY, LATE, changed=True, member_count=3)
        assert self.member_ids("brief") == sorted([*names[:2], _NEWCOMER])
        assert self.write(member_change("brief", added=names)).member_count == self.most_members + 1
        self.write(Delete("Group", "brief", origin(), None))
        assert self.members("brief") == []
        assert self.read(USER, names[-1]).groups == self.read(USER, names[-2]).groups

    def _come_and_go(self, group: str) -> None:
        come, go = (member_change(group, added=[_NEWCOMER]), member_change(group, removed=[_NEWCOMER]))
        assert self.write(come).changed
        assert self.write(go).changed

    def _fastest(self, group: str) -> float:
        taken = []
        for _ in range(_TIMES):
            before = time.perf_counter()
            self._come_and_go(group)
            taken.append(time.perf_counter() - before)
        return min(taken)

    def peak(self, act: Callable[[], None]) -> int:
        """Bytes that Python held at most beyond what it held before."""
        tracemalloc.start()
        try:
            act()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


async def _fill(tenant: TenantStore, names: list[str]) -> None:
    for start in range(0, len(names), _AT_ONCE):
        await together([tenant.write(_bare_user(name)) for name in names[start : start + _AT_ONCE]])
    await tenant.write(_bare_user(_NEWCOMER))
    await tenant.write(create(GROUP, "large", members=names))
    await tenant.write(create(GROUP, "small", members=names[:10]))


def _bare_user(name: str) -> Create:
    document = b'{"schemas":[],"id":"%s"}' % name.encode()
    return Create("User", name, document, document, None, Keys(user_name=name, label=name), origin())
