"""Searches for those who have one string: by the schema of each tenant, and paged like every other search."""

import time

import pytest

from serving import ENTERPRISE, USER, user

CODE = "urn:example:params:scim:schemas:extension:code:2.0:User"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
NAMESAKES = 5


def code_schema(**characteristics):
    attribute = {"name": "code", "type": "string", "multiValued": False, **characteristics}
    return {"schemas": [SCHEMA], "id": CODE, "name": "Code", "attributes": [attribute]}


def coded(code):
    return user(schemas=[USER, CODE], **{CODE: {"code": code}})


def found(client, text, **query):
    return [item["id"] for item in client.get("/Users", filter=text, **query).ok()["Resources"]]


@pytest.fixture(scope="module")
def namesakes(client):
    return sorted(client.new_user(displayName="Namesake", userType="Twin")["id"] for _ in range(NAMESAKES))


def test_each_tenant_is_searched_by_its_own_schema(server, new_tenant):
    exact, folded, unique, without = (new_tenant("tolerant") for _ in range(4))
    server.add_schemas(exact, code_schema(caseExact=True))
    server.add_schemas(folded, code_schema(caseExact=False))
    server.add_schemas(unique, code_schema(caseExact=True, uniqueness="server"))
    ids = [client.post("/Users", coded("Ab")).ok(201)["id"] for client in (exact, folded, unique)]
    for _ in range(2):
        for text, expected in (("Ab", ids), ("AB", [None, ids[1], None])):
            for client, one in zip((exact, folded, unique), expected, strict=True):
                assert found(client, f'{CODE}:code eq "{text}"') == ([] if one is None else [one])
        assert without.get("/Users", filter=f'{CODE}:code eq "Ab"').error == (400, "invalidFilter")


def test_an_attribute_is_looked_up_within_a_second_after_it_was_added(server, new_tenant):
    client = new_tenant("strict")
    text = f'{CODE}:code eq "x"'
    assert client.get("/Users", filter=text).error == (400, "invalidFilter")
    server.add_schemas(client, code_schema())
    deadline = time.monotonic() + 1
    while client.get("/Users", filter=text).status != 200:
        assert time.monotonic() < deadline
    there = client.post("/Users", coded("X")).ok(201)["id"]
    assert found(client, text) == [there]


@pytest.mark.parametrize(
    ("query", "first", "size"),
    [
        ({}, 0, NAMESAKES),
        ({"count": NAMESAKES}, 0, NAMESAKES),
        ({"count": NAMESAKES - 1}, 0, NAMESAKES - 1),
        ({"count": 0}, 0, 0),
        ({"count": -1}, 0, 0),
        ({"startIndex": 2}, 1, NAMESAKES - 1),
        ({"startIndex": 2, "count": 2}, 1, 2),
        ({"startIndex": NAMESAKES + 1}, NAMESAKES, 0),
        ({"startIndex": 0}, 0, NAMESAKES),
    ],
)
def test_a_page_of_those_who_share_a_value_knows_how_many_there_are(client, namesakes, query, first, size):
    """RFC 7644 §3.4.2.4."""
    page = client.get("/Users", filter='displayName eq "namesake"', **query).ok()
    assert page["totalResults"] == NAMESAKES
    assert page["itemsPerPage"] == size
    assert page["startIndex"] == max(query.get("startIndex", 1), 1)
    assert [item["id"] for item in page["Resources"]] == namesakes[first : first + size]


def test_the_order_is_turned_around_on_demand(client, namesakes):
    assert found(client, 'displayName eq "NAMESAKE"', sortOrder="descending") == namesakes[::-1]
    assert found(client, 'displayName eq "NAMESAKE"', sortBy="id", sortOrder="descending") == namesakes[::-1]


@pytest.mark.parametrize("count", [2, NAMESAKES, NAMESAKES + 1])
def test_a_walk_holds_all_who_share_a_value(client, namesakes, count):
    """RFC 9865 §2."""
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get("/Users", filter='displayName eq "namesake"', count=count, cursor=cursor).ok()
        assert page["totalResults"] == NAMESAKES
        seen += [item["id"] for item in page["Resources"]]
        cursor = page.get("nextCursor")
    assert seen == namesakes


def test_what_is_found_is_what_is_read_by_id(client):
    boss = client.new_user(displayName="Boss")
    one = client.new_user(
        schemas=[USER, ENTERPRISE],
        externalId="Ext-1",
        emails=[{"value": "One@example.com", "type": "work"}],
        **{ENTERPRISE: {"manager": {"value": boss["id"]}}},
    )
    inner = client.new_group(one["id"])
    client.new_group(inner["id"])
    whole = client.get(f"/Users/{one['id']}").ok()
    assert len(whole["groups"]) == 2
    for text in (
        f'userName eq "{one["userName"].upper()}"',
        'externalId eq "Ext-1"',
        'emails.value eq "one@EXAMPLE.com"',
        f'id eq "{one["id"]}"',
        f'meta.location eq "{whole["meta"]["location"]}"',
    ):
        assert client.get("/Users", filter=text).ok()["Resources"] == [whole], text
        (part,) = client.get("/Users", filter=text, attributes="userName").ok()["Resources"]
        assert part.keys() == {"schemas", "id", "userName"}, text
        (rest,) = client.get("/Users", filter=text, excludedAttributes="groups").ok()["Resources"]
        assert rest == {name: value for name, value in whole.items() if name != "groups"}, text
    assert found(client, 'externalId eq "EXT-1"') == []


@pytest.mark.parametrize("text", ['userName eq "a\\', 'userName eq "a" b', 'userName eq "\\ud800"', 'not eq "a"'])
def test_what_is_nearly_a_look_up_is_refused(client, text):
    assert client.get("/Users", filter=text).error == (400, "invalidFilter")


def test_an_escape_is_understood(client):
    there = client.new_user(displayName='Say "Ä"')["id"]
    assert found(client, 'displayName eq "say \\"\\u00e4\\""') == [there]
