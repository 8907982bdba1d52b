"""A large directory: people of whom each is made from a number, with names, titles and addresses as they are spread."""

from collections.abc import Iterator
from typing import Any

from people import GROUP, USER_NAME, person

GIVEN = (
    "Ada",
    "Bao",
    "Chidi",
    "Dora",
    "Emil",
    "Fatima",
    "Goran",
    "Hana",
    "Igor",
    "Jade",
    "Kofi",
    "Lena",
    "Mira",
    "Nils",
)
FAMILY = ("Smith", "Okafor", "Nguyen", "Garcia", "Novak", "Kowalski", "Silva", "Haddad", "Ivanov", "Tanaka", "Weber")
SYLLABLES = ("ba", "co", "di", "fu", "ga", "he", "jo", "ki", "lu", "ma", "ne", "po", "ra", "si", "to", "vu")
TITLES = 500
RARE = 1_000
"""Of so many people one has a work address in the rare domain, and one the rare nickname."""
RARE_DOMAIN = "xylophone.example"
COMMON_GROUP = 100
"""Members of a group that is not the large one."""


def name_of(number: int) -> str:
    """A given name, a rare middle name, and a family name."""
    middle = "".join(SYLLABLES[number // 16**place % 16] for place in range(4)).title()
    return f"{GIVEN[number % len(GIVEN)]} {middle} {FAMILY[number % len(FAMILY)]}"


def title_of(number: int) -> str:
    """One of five hundred."""
    return f"Specialist {number * 7 % TITLES:03d}"


def one_of_the_crowd(number: int) -> dict[str, Any]:
    """A full enterprise user of 1.4 KB."""
    user_name, name = USER_NAME.format(number=number), name_of(number)
    body = person(user_name, f"{number:012d}")
    given, _, family = name.split()
    body["name"] = {**body["name"], "formatted": name, "givenName": given, "familyName": family}
    body |= {"displayName": name, "title": title_of(number), "active": number % 10 > 0}
    is_rare = number % RARE == 0
    body["nickName"] = "Rare" if is_rare else given
    if is_rare:
        body["emails"][0]["value"] = f"person-{number:012d}@{RARE_DOMAIN}"
    return body


def groups(users: int, count: int, large: int) -> Iterator[dict[str, Any]]:
    """One group of many, and a number of groups with a hundred members each, spread over the first half of people."""
    yield group("Everybody", range(large))
    for number in range(count):
        first = number * COMMON_GROUP % (users // 2)
        yield group(f"Team {number:06d}", range(first, first + COMMON_GROUP))


def group(name: str, numbers: range) -> dict[str, Any]:
    """A group as a line to import."""
    members = [{"value": "userName:" + USER_NAME.format(number=number)} for number in numbers]
    return {"schemas": [GROUP], "displayName": name, "members": members}
