"""What the cases of entries, logs, queues, leases and the feed stand on: a neighbour who has all of these as well."""

from collections.abc import Iterator, Sequence

import pytest

from headcount.store.keeping import Line, Put, Task, TenantKeeping
from headcount.testing.store_contract.harness import Beside, House, Snapshot

EARLIER = "2026-01-05T08:29:00.000000Z"
NOW = "2026-01-05T08:30:00.000000Z"
SOON = "2026-01-05T08:31:00.000000Z"
LATER = "2026-01-05T09:30:00.000000Z"
LAST = "2026-02-05T08:30:00.000000Z"


class Kept(Beside):
    """Cases whose tenant keeps more than resources, through two stores on one database."""

    tenant: TenantKeeping
    beside: TenantKeeping

    def doors(self) -> Sequence[TenantKeeping]:
        """Ways into the tenant: two in one process, one in another."""
        return [self.tenant, self.beside, self.tenant]

    @pytest.fixture(scope="class")
    @classmethod
    def keeping_neighbour(cls, open_house: tuple[House, Snapshot]) -> tuple[TenantKeeping, Snapshot]:
        """A tenant that has what the cases have, under the same names, with all of it as it is at first."""
        house, _ = open_house
        neighbour: TenantKeeping = house.store.for_tenant("keeping-neighbour")  # type: ignore[assignment]
        house.runner.run(_move_in(neighbour))
        return neighbour, house.runner.run(_kept(neighbour))

    @pytest.fixture(autouse=True)
    def _undisturbed(self, keeping_neighbour: tuple[TenantKeeping, Snapshot], _own_tenant: None) -> Iterator[None]:
        yield
        neighbour, before = keeping_neighbour
        assert self.run(_kept(neighbour)) == before


async def _move_in(neighbour: TenantKeeping) -> None:
    await neighbour.put([Put("c", "k", b"neighbour"), Put("c", "l", b"neighbour")])
    await neighbour.append("log", [Line(NOW, b"neighbour", "k"), Line(NOW, b"neighbour")])
    await neighbour.enqueue("q", [Task("k", b"1", NOW), Task("k", b"2", NOW), Task("", b"3", NOW)])
    (taken, _) = await neighbour.take("q", "neighbour", now=NOW, until=LAST)
    await neighbour.park("q", "neighbour", taken.id, reason="neighbour")
    await neighbour.lease("lease", "neighbour", seconds=3600)
    await neighbour.mark("mark", b"neighbour", at=NOW, actor="neighbour", request_id="neighbour")
    await neighbour.sequence_changes()


async def _kept(tenant: TenantKeeping) -> Snapshot:
    return (
        list(await tenant.entries("c")),
        list(await tenant.lines("log")),
        list(await tenant.parked("q")),
        await tenant.queued("q"),
        list(await tenant.changes_after(0)),
        await tenant.first_position(),
        await tenant.last_position(),
    )
