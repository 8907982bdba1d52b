"""Several sources joined by a key, with precedence per attribute."""

import asyncio

import pytest

from headcount.provisioning.jobs import Join, SourceSettings
from headcount.provisioning.records import RecordKind, SourceError, SourceRecord
from headcount.provisioning.sources.delimited import delimited
from headcount.provisioning.sources.files import FileSource, Table
from headcount.provisioning.sources.joining import Joined, read_join, with_joins

PHONES = Join("phones", SourceSettings("csv", "id"), "number", {"phone": ("phones", "source")})
BADGES = Join("badges", SourceSettings("csv", "id"), "badge")


def joined(record, **others):
    joins = {"phones": PHONES, "badges": BADGES}
    person = SourceRecord(RecordKind.PERSON, "1", record)
    return with_joins(person, [Joined(joins[name], rows) for name, rows in others.items()]).attributes


def test_the_primary_source_wins_unless_the_job_says_otherwise():
    phones = {"1": {"phone": "555", "name": "Other", "room": "12"}}
    assert joined({"number": "1", "phone": "111", "name": "Ada"}, phones=phones) == {
        "number": "1",
        "phone": "555",
        "name": "Ada",
        "room": "12",
    }


def test_a_source_without_a_value_does_not_win():
    assert joined({"number": "1", "phone": "111"}, phones={"1": {"phone": ""}})["phone"] == "111"
    assert joined({"number": "1", "name": ""}, phones={"1": {"name": "Ada"}})["name"] == "Ada"


def test_who_is_in_no_other_source_stays_as_he_is():
    assert joined({"number": "2", "name": "Ada"}, phones={"1": {"phone": "555"}}) == {"number": "2", "name": "Ada"}
    assert joined({"name": "Ada"}, phones={"1": {"phone": "555"}}) == {"name": "Ada"}


def test_of_several_joins_the_first_wins_and_keys_may_be_numbers():
    found = joined({"number": 1, "badge": "b"}, phones={"1": {"room": "12"}}, badges={"b": {"room": "99", "door": "x"}})
    assert (found["room"], found["door"]) == ("12", "x")


@pytest.mark.parametrize(("content", "words"), [("id,phone\n", "has no records"), ("id,phone\n,1\n", "cannot be read")])
def test_a_join_that_is_empty_or_broken_fails_the_reading(tmp_path, content, words):
    path = tmp_path / "phones.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=words):
        asyncio.run(read_join(PHONES, FileSource(Table(RecordKind.PERSON, path, "id", delimited("id")))))
