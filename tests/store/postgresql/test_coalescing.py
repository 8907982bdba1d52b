"""Requests that wait together travel together, and no slow call holds the others up for long."""

import asyncio
from collections.abc import Sequence

from headcount.store.postgresql.coalescing import Coalescer


class Calls:
    """What was asked for in which call; the calls of the tenants in `stuck` come back when they are let go."""

    def __init__(self, *stuck: str) -> None:
        self.asked: list[list[int]] = []
        self.stuck = dict.fromkeys(stuck, asyncio.Event())

    async def __call__(self, tenant: str, batch: list[int]) -> Sequence[int]:
        self.asked.append(batch)
        if (gate := self.stuck.pop(tenant, None)) is not None:
            await gate.wait()
        return [number * 2 for number in batch]


def test_those_who_come_while_a_call_is_under_way_share_the_next() -> None:
    async def go() -> None:
        run = Calls("acme")
        gate = run.stuck["acme"]
        coalescer = Coalescer(run, flights=2, most=10, patience=5.0, headway=5.0)
        asked = []
        for number in range(1, 5):
            asked.append(asyncio.create_task(coalescer.submit("acme", number)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # a call would be under way by now
        gate.set()
        assert await asyncio.gather(*asked) == [2, 4, 6, 8]
        assert run.asked == [[1], [2, 3, 4]]

    asyncio.run(go())


def test_a_call_that_does_not_come_back_holds_up_the_next_for_the_headway_only() -> None:
    async def go() -> None:
        run = Calls("acme")
        gate = run.stuck["acme"]
        coalescer = Coalescer(run, flights=2, most=10, patience=5.0, headway=0.01)
        first = asyncio.create_task(coalescer.submit("acme", 1))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await asyncio.gather(*(coalescer.submit("acme", number) for number in (2, 3))) == [4, 6]
        assert not first.done()
        assert await coalescer.submit("other", 4) == 8
        gate.set()
        assert await first == 2
        assert run.asked == [[1], [2, 3], [4]]
        await coalescer.finish()

    asyncio.run(go())
