"""Whose turn it is: some at a time, in order, and nobody's while something urgent is under way."""

import asyncio

from headcount.events.delivery.turns import Turns


def test_turns_come_in_order_and_a_few_at_a_time():
    async def story():
        turns, order = Turns(), []

        async def one(number):
            await turns.take()
            order.append(number)

        going = [asyncio.ensure_future(one(number)) for number in range(50)]
        rounds = 0
        while len(order) < 50:
            before = len(order)
            await asyncio.sleep(0)
            assert len(order) - before <= 4
            rounds += 1
        assert order == list(range(50))
        assert rounds >= 50 / 4
        await asyncio.gather(*going)

    asyncio.run(story())


def test_nobody_goes_on_while_something_urgent_is_under_way_for_a_moment_at_most():
    async def story():
        turns, clock = Turns(), asyncio.get_running_loop().time
        began = clock()
        turns.hold()
        going = asyncio.ensure_future(turns.take())
        done, _ = await asyncio.wait({going}, timeout=0.02)
        assert not done
        turns.let_go()
        await going
        assert clock() - began < 0.1
        turns.hold()
        began = clock()
        await turns.take()
        assert 0.05 < clock() - began < 1

    asyncio.run(story())


def test_who_gives_up_takes_nobodys_turn():
    async def story():
        turns = Turns()
        gone = [asyncio.ensure_future(turns.take()) for _ in range(5)]
        await asyncio.sleep(0)
        for one in gone:
            one.cancel()
        await turns.take()

    asyncio.run(story())
