"""Leases: one holder at a time."""

from headcount.testing.store_contract.harness import together
from headcount.testing.store_contract.keeping import Kept


class Leases(Kept):
    """Taken, renewed, given back, and over by themselves."""

    def lease(self, holder: str, seconds: float = 60, name: str = "lease") -> bool:
        """Whether the holder has it."""
        return self.run(self.tenant.lease(name, holder, seconds=seconds))

    def test_a_lease_is_taken_and_renewed_by_its_holder_only(self) -> None:
        assert self.lease("one")
        assert self.lease("one")
        assert not self.lease("two")
        assert not self.run(self.beside.lease("lease", "two", seconds=60))
        assert self.lease("two", name="other")

    def test_a_lease_that_is_over_is_anybodys(self) -> None:
        assert self.lease("one", seconds=0)
        assert self.lease("two")
        assert not self.lease("one")

    def test_a_lease_is_given_back_by_its_holder_only(self) -> None:
        assert self.lease("one")
        self.run(self.tenant.release("lease", "two"))
        assert not self.lease("two")
        self.run(self.tenant.release("lease", "one"))
        assert self.lease("two")

    def test_of_those_who_want_a_lease_at_once_exactly_one_gets_it(self) -> None:
        doors = self.doors()
        for turn in range(4):
            wanted = [doors[n % 3].lease(f"lease{turn}", f"holder{n}", seconds=60) for n in range(12)]
            assert sorted(self.run(together(wanted)), key=bool) == [False] * 11 + [True]
