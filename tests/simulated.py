"""Targets under test: a connected `Target` for any server, and steps as a plan makes them."""

import asyncio
from itertools import count

from headcount.provisioning.plan import Action, ValueChange
from headcount.provisioning.targets.client import Connection, Patience
from headcount.provisioning.targets.steps import Member, Step
from headcount.provisioning.targets.target import Target

IMPATIENT = Patience(attempts=6, first_wait=0.0005, longest_wait=0.002)
"""Retries that take no time; the target still has its six attempts."""
_NUMBERS = count(1)


def run(url, action, *, pack="generic", override=None, connects=True, **connection):
    """What `action(target)` gives with a target at this URL."""

    async def within():
        async with Target(Connection(url, **{"patience": IMPATIENT, **connection}), pack, override) as target:
            if connects:
                await target.connect()
            return await action(target)

    return asyncio.run(within())


def carry_out(url, *steps, **options):
    """The outcomes of steps, one after the other; one outcome when there is one step."""

    async def action(target):
        return [await target.carry_out(step) for step in steps]

    outcomes = run(url, action, **options)
    return outcomes[0] if len(steps) == 1 else outcomes


def person(**values):
    """The desired resource of somebody with a userName and externalId of his own."""
    number = next(_NUMBERS)
    return {
        "userName": f"person{number}@example.com",
        "externalId": f"p{number}",
        "displayName": f"Person {number}",
        "name": {"formatted": f"Pat Number {number}", "givenName": "Pat", "familyName": f"Number {number}"},
        "emails": [{"value": f"person{number}@example.com", "type": "work", "primary": True}],
        "active": True,
        **values,
    }


def joiner(resource=None):
    """A create of a user."""
    resource = resource or person()
    return Step(Action.CREATE, "User", resource["externalId"], resource=resource)


def new_group(name, *members, **values):
    """A create of a group with the ids of its members."""
    resource = {"displayName": name, "externalId": name.lower(), **values}
    return Step(Action.CREATE, "Group", name, resource=resource, added=those(members))


def update(target_id, *changes, type_name="User", **options):
    """A change of values, each (path, old, new)."""
    values = tuple(ValueChange(*change) for change in changes)
    return Step(Action.UPDATE, type_name, target_id, target_id=target_id, values=values, **options)


def regroup(target_id, added=(), removed=(), **options):
    """Members of a group who come and go."""
    return Step(
        Action.MEMBERS, "Group", target_id, target_id=target_id, added=those(added), removed=those(removed), **options
    )


def leaver(target_id, action=Action.DELETE, **options):
    """Somebody who goes."""
    return Step(action, "User", target_id, target_id=target_id, **options)


def those(identifiers):
    """Members by id."""
    return tuple(Member(identifier) for identifier in identifiers)


def member_ids(group):
    """The ids of a group's members."""
    return {item["value"] for item in group["members"]}
