"""The reference says what the code does: nothing is missing, nothing is made up."""

import re
from dataclasses import fields

import pytest

from docs.generated import PARTS, commands, with_part
from docs.pages import REFERENCE, headings
from headcount.directory.tenant import Limits
from headcount.http.protocol import HeadersTooLargeError
from headcount.http.scim import InternalError
from headcount.scim.errors import ScimError
from headcount.scim.profiles import Toleration
from headcount.settings import Settings

SIZES = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "s": 1, "hour": 3600}


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def error_classes() -> list[type[ScimError]]:
    assert InternalError in ScimError.__subclasses__()
    assert HeadersTooLargeError in ScimError.__subclasses__()
    return [kind for kind in ScimError.__subclasses__() if kind.__module__.startswith("headcount.")]


@pytest.mark.parametrize("name", PARTS)
def test_the_generated_part_of_a_page_is_what_the_code_says(name):
    assert page(name) == with_part(page(name), PARTS[name]()), "run: python tests/docs/generated.py"


def test_every_command_has_a_section():
    assert [title for title in headings(page("commands.md")) if title.startswith("headcount")] == [
        name for name, _ in commands()
    ]


def test_every_error_stands_in_the_table_with_its_status_and_scim_type():
    rows = re.findall(r"^\| (\d{3}) \| (?:`(\w+)`|–) \| `(\w+)` \|", page("errors.md"), re.MULTILINE)

    assert sorted(rows) == sorted((str(kind.status), kind.scim_type or "", kind.__name__) for kind in error_classes())


def test_every_error_says_when_it_comes_and_what_to_do():
    rows = [line.strip("|").split("|") for line in page("errors.md").splitlines() if re.match(r"\| \d{3} ", line)]

    assert [row[2] for row in rows if len(row) != 5 or not all(cell.strip() for cell in row)] == []


def test_every_bound_on_a_request_stands_in_the_table_with_its_default():
    rows = re.findall(r"^\| [^|]+ \| ([\d,]+) ?(\w*) \| `HEADCOUNT_(\w+)` \|", page("limits.md"), re.MULTILINE)
    stated = {name.lower(): int(number.replace(",", "")) * SIZES[unit] for number, unit, name in rows}
    settings = {item.name: item.default for item in fields(Settings)}

    assert [item.name for item in fields(Limits) if isinstance(item.default, int) and item.name not in stated] == []
    assert {name: settings.get(name) for name in stated} == stated


def test_every_toleration_has_a_section():
    named = re.findall(r"^### (\w+)$", page("profiles.md"), re.MULTILINE)

    assert sorted(named) == sorted(toleration.name for toleration in Toleration)


@pytest.mark.parametrize("part", ["**Accepted**", "**Sent by**", "**In strict**"])
def test_every_toleration_says_what_is_accepted_who_sends_it_and_what_strict_does(part):
    sections = re.split(r"^### ", page("profiles.md"), flags=re.MULTILINE)[1:]

    assert [section.split("\n")[0] for section in sections if part not in section] == []
