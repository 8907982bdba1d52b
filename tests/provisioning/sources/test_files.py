"""Files as sources: encodings, separators, and lines that are no records."""

import asyncio
import json

import pytest

from headcount.provisioning.records import RecordKind, SourceError
from headcount.provisioning.sources.delimited import delimited
from headcount.provisioning.sources.files import FileSource, Table
from headcount.provisioning.sources.ndjson import LONGEST_LINE, ndjson

ZOE = "id;name\n1;Zoë\n2;Ångström\n"


def read(*tables):
    """(records, problems) of a reading."""

    async def within():
        reading = await FileSource(*tables).read()
        assert reading.is_complete
        return [record async for record in reading.records], reading.problems

    return asyncio.run(within())


def people(folder, content, rows=None, key="id"):
    path = folder / "people"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Table(RecordKind.PERSON, path, key, rows or delimited(key))


def groups(folder, content, rows, separator=";"):
    path = folder / "groups"
    path.write_text(content, "utf-8")
    return Table(RecordKind.GROUP, path, "id", rows, "members", separator)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (ZOE.encode(), "utf-8"),
        (ZOE.encode("utf-8-sig"), "utf-8"),
        (ZOE.encode("utf-16"), "utf-8"),
        (ZOE.encode("utf-16"), "utf-16"),
        (ZOE.encode("latin-1"), "latin-1"),
        (ZOE.encode("cp1252"), "windows-1252"),
        (ZOE.replace("\n", "\r\n").encode(), "UTF-8"),
    ],
)
def test_names_are_read_in_every_encoding(tmp_path, content, encoding):
    records, problems = read(people(tmp_path, content, delimited("id", encoding)))
    assert [(record.key, record.attributes["name"]) for record in records] == [("1", "Zoë"), ("2", "Ångström")]
    assert problems == []


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_out(tmp_path, separator):
    content = f'id{separator}"a,b;c|d"{separator}name\n1{separator}x{separator}Ada\n'
    records, _ = read(people(tmp_path, content))
    assert records[0].attributes == {"id": "1", "a,b;c|d": "x", "name": "Ada"}


def test_a_separator_that_is_given_is_taken(tmp_path):
    records, _ = read(people(tmp_path, "id:name\n1:a,b\n", delimited("id", separator=":")))
    assert records[0].attributes == {"id": "1", "name": "a,b"}


def test_values_may_span_lines_and_places_are_those_of_the_file(tmp_path):
    records, _ = read(people(tmp_path, 'id,note\n1,"two\nlines"\n\n2,""\n'))
    assert [(record.key, record.attributes["note"], record.place) for record in records] == [
        ("1", "two\nlines", "line 2"),
        ("2", "", "line 5"),
    ]


def test_lines_that_are_no_records_are_told_by_number(tmp_path):
    records, problems = read(people(tmp_path, "id,name\n1,Ada\n,Nobody\n1,Twin\n3\n4,a,b\n 5 ,Five\n"))
    assert [record.key for record in records] == ["1", "5"]
    assert [(problem.place, problem.key) for problem in problems] == [
        ("people, line 3", ""),
        ("people, line 4", "1"),
        ("people, line 5", "3"),
        ("people, line 6", "4"),
    ]
    assert problems[0].message == "there is no value for the key 'id'."
    assert problems[1].message == "the key 1 stands on line 2 already; this line is ignored."
    assert problems[2].message.startswith("there are 1 columns, and the heading has 2")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"name,mail\n1,2\n", "There is no column 'id'; there are name, mail"),
        (b"id,id\n1,2\n", "the column 'id' more than once"),
        (b'id,name\n1,"never closed\n', "no CSV"),
        ("id,name\n1,Zoë\n".encode("latin-1"), "latin-1"),
        ("id,name\n1,2\n".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, content, words):
    with pytest.raises(SourceError, match=words):
        read(people(tmp_path, content))


def test_a_file_that_is_not_there_and_an_encoding_that_is_none(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read(Table(RecordKind.PERSON, tmp_path / "none.csv", "id", delimited("id")))
    with pytest.raises(SourceError, match="no encoding 'klingon'"):
        read(people(tmp_path, "id\n1\n", delimited("id", "klingon")))


def test_a_file_that_changes_while_it_is_read_is_not_believed(tmp_path):
    table = people(tmp_path, "id\n" + "".join(f"{number}\n" for number in range(5_000)))

    async def within():
        reading = await FileSource(table).read()
        async for record in reading.records:
            if record.key == "10":
                table.path.write_text("id\n1\n")

    with pytest.raises(SourceError, match="changed while it was read"):
        asyncio.run(within())


def test_ndjson(tmp_path):
    lines = [{"id": 7, "name": {"first": "Ada"}}, {"id": "8", "tags": ["a"], "none": None}]
    content = "\n".join([json.dumps(lines[0]), "", json.dumps(lines[1]), "{", "[]", "{}", '"x"'])
    records, problems = read(people(tmp_path, content, ndjson()))
    assert [(record.key, record.attributes, record.place) for record in records] == [
        ("7", lines[0], "line 1"),
        ("8", {"id": "8", "tags": ["a"]}, "line 3"),
    ]
    assert [problem.place.split()[-1] for problem in problems] == ["4", "5", "6", "7"]


def test_a_line_may_be_so_long_and_no_longer(tmp_path):
    fits = '{"id":"1","x":"%s"}' % ("x" * (LONGEST_LINE - 18))
    assert len(fits) == LONGEST_LINE - 1
    records, problems = read(people(tmp_path, f'{fits}\n{fits[:-2]}x"}}\n{{"id":"2"}}\n', ndjson()))
    assert [record.key for record in records] == ["1", "2"]
    assert [problem.place for problem in problems] == ["people, line 2"]


def test_groups_stand_in_a_file_of_their_own(tmp_path):
    table = people(tmp_path, "id\n1\n2\n")
    records, _ = read(table, groups(tmp_path, "id,name,members\nred,Red,2;1; 1\nblue,Blue,\n", delimited("id")))
    assert [(record.kind, record.key, record.members) for record in records[2:]] == [
        (RecordKind.GROUP, "red", ("1", "2")),
        (RecordKind.GROUP, "blue", ()),
    ]
    assert records[2].attributes == {"id": "red", "name": "Red"}
    content = '{"id": "red", "members": ["2", {"value": "1"}, 3]}'
    records, _ = read(groups(tmp_path, content, ndjson()))
    assert records[0].members == ("1", "2", "3")


def test_one_record(tmp_path):
    source = FileSource(people(tmp_path, "id,name\n1,Ada\n2,Bob\n"))
    found = asyncio.run(source.read_one(RecordKind.PERSON, "2"))
    assert found.attributes == {"id": "2", "name": "Bob"}
    assert asyncio.run(source.read_one(RecordKind.PERSON, "3")) is None
    assert asyncio.run(source.read_one(RecordKind.GROUP, "2")) is None


def test_a_check_tells_what_is_there(tmp_path):
    found = asyncio.run(FileSource(people(tmp_path, "id,name\n1,Ada\n,x\n")).check())
    assert found["records"] == {"person": 1}
    assert found["attributes"] == {"person": ["id", "name"]}
    assert found["problems"] == ["people, line 3: there is no value for the key 'id'."]
