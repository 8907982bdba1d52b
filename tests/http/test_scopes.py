"""What a token with scopes can do, see and learn: through every entrance, and nothing by a side door."""

import pytest

from serving import ENTERPRISE, PATCH_OP, group, user

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
PHONE_BOOK = {"type": "User", "readable": ["userName", "displayName", "name.givenName", "phoneNumbers.value"]}
"""Reads names and numbers, and may do everything else that a token can."""
NOBODY = "01a21094-e1d9-7ea9-aba4-000000000000"


@pytest.fixture(scope="module")
def owner(server):
    """A client of a tenant that may do everything."""
    with server.new_tenant() as made:
        yield made


@pytest.fixture
def scoped(server, owner):
    """Makes clients of the same tenant with scopes."""

    def make(*scopes):
        return owner.with_token(server.new_token(owner, scopes=scopes))

    return make


@pytest.fixture(scope="module")
def ada(owner):
    return owner.new_user(
        displayName="Ada",
        title="Countess",
        name={"givenName": "Ada", "familyName": "Lovelace"},
        emails=[{"value": "ada@home.example", "type": "home"}],
        phoneNumbers=[{"value": "+44 1", "type": "work"}],
        **{ENTERPRISE: {"department": "Engines", "costCenter": "C-7"}},
    )


@pytest.fixture(scope="module")
def bob(owner):
    """Somebody of another department."""
    return owner.new_user(displayName="Bob", title="Baron", **{ENTERPRISE: {"department": "Mills"}})


def fenced(**scope):
    """A scope for people of one department."""
    return {"type": "User", "filter": f'{ENTERPRISE}:department eq "Engines"', **scope}


EVERYTHING = {"type": "*"}


# operations


@pytest.mark.parametrize("allowed", [[], ["read"], ["create"], ["update"], ["delete"], ["read", "update"]])
def test_a_token_carries_out_the_operations_of_its_scope_and_no_others(owner, scoped, allowed):
    client = scoped({"type": "User", "operations": allowed} if allowed else {"type": "Group"})
    there = owner.new_user()
    path = f"/Users/{there['id']}"
    patch = {"op": "replace", "path": "title", "value": "T"}
    attempts = [
        ("read", lambda: client.get(path)),
        ("read", lambda: client.send("HEAD", path)),
        ("read", lambda: client.get("/Users")),
        (
            "read",
            lambda: client.post("/Users/.search", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}),
        ),
        ("create", lambda: client.post("/Users", user())),
        ("update", lambda: client.put(path, user())),
        ("update", lambda: client.patch(path, patch)),
        ("delete", lambda: client.delete(path)),
    ]
    for operation, attempt in attempts:
        answer = attempt()
        if operation in allowed:
            assert answer.status in (200, 201, 204), operation
        else:
            assert answer.status == 403, operation
            if answer.body:
                assert f"may not {operation} User" in answer.json["detail"]
    assert owner.get(path).status == (404 if "delete" in allowed else 200)


def test_what_no_scope_names_is_closed_and_a_scope_for_any_type_opens_the_rest(scoped, owner):
    there = owner.new_group()
    alone = scoped({"type": "User"})
    assert alone.get(f"/Groups/{there['id']}").error == (403, None)
    rest = scoped({"type": "User", "operations": ["read"]}, {"type": "*", "operations": ["read", "delete"]})
    assert rest.get(f"/Groups/{there['id']}").status == 200
    assert rest.post("/Users", user()).error == (403, None)
    assert rest.post("/Groups", group()).error == (403, None)
    assert rest.delete(f"/Groups/{there['id']}").status == 204


def test_a_search_of_everything_finds_what_may_be_read(scoped, owner, ada):
    owner.new_group()
    client = scoped({"type": "User"})
    found = client.get("", count=1000).ok()
    assert {item["meta"]["resourceType"] for item in found["Resources"]} == {"User"}
    assert found["totalResults"] == len(found["Resources"]) == owner.get("/Users", count=0).ok()["totalResults"]
    nothing = scoped({"type": "User", "operations": ["create"]})
    assert nothing.get("").error == (403, None)


def test_each_operation_of_a_bulk_request_is_judged_by_itself(scoped, owner):
    there = owner.new_user()
    client = scoped({"type": "User", "operations": ["create"]})
    answer = client.bulk(
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": user()},
        {"method": "POST", "path": "/Groups", "bulkId": "b", "data": group()},
        {
            "method": "PATCH",
            "path": f"/Users/{there['id']}",
            "data": {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": "T"}]},
        },
        {"method": "DELETE", "path": f"/Users/{there['id']}"},
    ).ok()
    assert [item["status"] for item in answer["Operations"]] == ["201", "403", "403", "403"]
    assert owner.get(f"/Users/{there['id']}").ok() == there


def test_a_circle_that_a_token_could_not_complete_is_not_begun(scoped, owner):
    client = scoped({"type": "Group", "operations": ["create"]})
    circle = [
        {"method": "POST", "path": "/Groups", "bulkId": name, "data": group(f"bulkId:{other}", displayName=name)}
        for name, other in (("one", "two"), ("two", "one"))
    ]
    before = owner.get("/Groups", count=0).ok()["totalResults"]
    statuses = {item["status"] for item in client.bulk(*circle).ok()["Operations"]}
    assert not statuses & {"200", "201"}
    assert owner.get("/Groups", count=0).ok()["totalResults"] == before


# what may be read


def test_a_phone_book_shows_names_and_numbers(scoped, ada):
    client = scoped(PHONE_BOOK)
    shown = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": ada["id"],
        "userName": ada["userName"],
        "displayName": "Ada",
        "name": {"givenName": "Ada"},
        "phoneNumbers": [{"value": "+44 1"}],
        "meta": ada["meta"],
    }
    path = f"/Users/{ada['id']}"
    assert client.get(path).ok() == shown
    assert client.get("/Users", filter=f'id eq "{ada["id"]}"').ok()["Resources"] == [shown]
    assert client.get(path, attributes="title,emails,name.familyName").ok().keys() == {"schemas", "id"}
    assert client.get(path, attributes="name,displayName").ok()["name"] == {"givenName": "Ada"}
    assert "title" not in client.get(path, excludedAttributes="userName").ok()
    assert client.get(path, attributes=ENTERPRISE).ok().keys() == {"schemas", "id"}


@pytest.mark.parametrize(
    "text",
    [
        'title eq "Countess"',
        'not (title eq "Baron")',
        "title pr",
        'userName sw "u" and title sw "C"',
        'emails.value eq "ada@home.example"',
        'emails[type eq "home"]',
        'phoneNumbers[type eq "work" and value sw "+"]',
        "phoneNumbers pr",
        'name.familyName eq "Lovelace"',
        'department eq "Engines"',
        f'{ENTERPRISE}:costCenter eq "C-7"',
        f'schemas eq "{ENTERPRISE}"',
        'groups.display eq "x"',
        'externalId eq "1"',
        'manager.displayName eq "x"',
    ],
)
def test_nobody_searches_by_what_he_may_not_read(scoped, ada, text):
    client = scoped(PHONE_BOOK)
    for answer in (
        client.get("/Users", filter=text),
        client.get("", filter=text),
        client.post(
            "/Users/.search", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": text}
        ),
    ):
        assert answer.error == (403, None)
        assert "may not search by" in answer.json["detail"]


@pytest.mark.parametrize(
    "text",
    [
        *("title", "name.familyName", "emails", f"{ENTERPRISE}:department", "externalId"),
        "phoneNumbers.value",  # the primary one comes first, and which one that is does not show
    ],
)
def test_nobody_sorts_by_what_he_may_not_read(scoped, ada, text):
    client = scoped(PHONE_BOOK)
    assert client.get("/Users", sortBy=text).error == (403, None)
    assert client.get("/Users", sortBy="displayName").status == 200


@pytest.mark.parametrize(
    "text",
    [
        'displayName eq "Ada"',
        'phoneNumbers.value eq "+44 1"',
        'phoneNumbers[value sw "+44"]',
        'name.givenName eq "ADA"',
    ],
)
def test_what_may_be_read_may_be_searched_by(scoped, ada, text):
    assert scoped(PHONE_BOOK).found(text) == [ada["id"]]


@pytest.mark.parametrize("sort", ["displayName", "name.givenName", "phoneNumbers", "phoneNumbers.type"])
def test_what_may_be_read_may_be_sorted_by(scoped, ada, sort):
    client = scoped({**PHONE_BOOK, "readable": ["displayName", "name.givenName", "phoneNumbers"]})
    assert client.get("/Users", sortBy=sort, filter='displayName eq "Ada"').ok()["Resources"][0]["id"] == ada["id"]


def test_an_answer_to_a_write_shows_what_may_be_read(scoped, owner):
    client = scoped({"type": "User", "operations": ["create", "update"]})
    done = client.post("/Users", user(title="T"))
    assert done.ok(201).keys() == {"schemas", "id", "meta"}
    assert done.headers["etag"]
    path = f"/Users/{done.json['id']}"
    assert client.patch(path, {"op": "add", "path": "nickName", "value": "N"}).ok().keys() == {"schemas", "id", "meta"}
    assert client.put(path, user(), attributes="userName").ok().keys() == {"schemas", "id"}


def test_a_name_that_is_taken_is_said_without_its_owner(scoped, ada):
    client = scoped({"type": "User", "operations": ["create", "read"], "filter": 'displayName eq "None"'})
    answer = client.post("/Users", user(userName=ada["userName"], displayName="None"))
    assert answer.error == (409, "uniqueness")
    assert ada["id"] not in answer.json["detail"]


def test_names_of_others_do_not_come_along(scoped, owner, ada):
    """A reference shows what its target is called only to those who may read that there."""
    team = owner.new_group(ada["id"], displayName="Secret team")
    report = owner.new_user(**{ENTERPRISE: {"manager": {"value": ada["id"]}}})
    names = scoped({"type": "User", "readable": ["title", f"{ENTERPRISE}:manager", "groups"]}, {"type": "Group"})
    manager = names.get(f"/Users/{report['id']}").ok()[ENTERPRISE]["manager"]
    assert manager.keys() == {"value", "$ref"}
    assert names.get(f"/Groups/{team['id']}").ok()["members"][0].keys() == {"value", "$ref", "type"}
    assert names.get("/Groups", filter='members.display eq "Ada"').error == (403, None)
    assert names.get(f"/Users/{ada['id']}").ok()["groups"][0]["display"] == "Secret team"
    ids = scoped({"type": "User"}, {"type": "Group", "readable": ["members"]})
    assert "display" not in ids.get(f"/Users/{ada['id']}").ok()["groups"][0]
    closed = scoped({"type": "User"})
    assert "groups" not in closed.get(f"/Users/{ada['id']}").ok()
    assert closed.get("/Users", filter=f'groups.value eq "{team["id"]}"').error == (403, None)
    everybody = scoped(EVERYTHING)
    assert everybody.get(f"/Groups/{team['id']}").ok() == team
    assert everybody.get(f"/Users/{report['id']}").ok()[ENTERPRISE]["manager"]["displayName"] == "Ada"


# what may be written


@pytest.fixture
def eve(owner):
    """Somebody who is changed."""
    return owner.new_user(
        displayName="Eve",
        title="Spy",
        name={"givenName": "Eve", "familyName": "Dropper"},
        emails=[{"value": "eve@x", "type": "work"}],
        **{ENTERPRISE: {"department": "Engines", "costCenter": "C-1"}},
    )


WRITES_TITLES = {"type": "User", "writable": ["title", "name.givenName", "emails.value", f"{ENTERPRISE}:department"]}
BLIND = WRITES_TITLES | {"readable": ["title", "userName"]}


@pytest.mark.parametrize("scope", [WRITES_TITLES, BLIND])
@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "title", "value": "T"},
        {"op": "replace", "value": {"title": "T"}},
        {"op": "remove", "path": "title"},
        {"op": "replace", "path": "name.givenName", "value": "E"},
        {"op": "replace", "path": "name", "value": {"givenName": "E"}},
        {"op": "add", "value": {"name": {"givenName": "E"}}},
        {"op": "add", "value": {"name.givenName": "E"}},
        {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "D"},
        {"op": "replace", "path": ENTERPRISE, "value": {"department": "D"}},
        {"op": "replace", "value": {ENTERPRISE: {"department": "D"}}},
        {"op": "replace", "value": {"department": "D"}},
    ],
)
def test_a_patch_may_write_what_is_writable(scoped, owner, eve, scope, operation):
    scoped(scope).patch(f"/Users/{eve['id']}", operation).ok()
    now = owner.get(f"/Users/{eve['id']}").ok()
    assert {name for name in now if now[name] != eve.get(name)} | {name for name in eve if name not in now} <= {
        "meta",
        "title",
        "name",
        ENTERPRISE,
    }
    assert now["meta"]["version"] != eve["meta"]["version"]
    assert (now["name"]["familyName"], now[ENTERPRISE]["costCenter"]) == ("Dropper", "C-1")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("displayName", "Eve"),
        (None, {"displayName": "Eve"}),
        (None, {"title": "T", "nickName": "N"}),
        ("name", {"familyName": "Dropper"}),
        ("name", {"givenName": "E", "familyName": "Dropper"}),
        (None, {"name": {"familyName": "Dropper"}}),
        (None, {"name.familyName": "Dropper"}),
        ("name.familyName", "Dropper"),
        (ENTERPRISE, {"costCenter": "C-1"}),
        (None, {ENTERPRISE: {"costCenter": "C-1"}}),
        (None, {f"{ENTERPRISE}:costCenter": "C-1"}),
        (None, {"costCenter": "C-1"}),
        ("emails", [{"value": "eve@x", "type": "work"}]),
        ("emails", [{"value": "eve@x"}]),
        ('emails[type eq "work"].type', "work"),
        ('emails[type eq "work"]', {"value": "eve@x", "type": "work"}),
        ("password", "secret"),
        (None, {"password": "secret"}),
        ("externalId", "E"),
        ("active", True),
    ],
)
def test_a_patch_that_names_what_must_not_be_written_is_refused_whether_it_changes_anything_or_not(
    scoped, owner, eve, path, value
):
    """Were the same value accepted, a client could learn one that it may not read."""
    operation = {"op": "replace", "value": value} | ({"path": path} if path else {})
    refused = scoped(WRITES_TITLES).patch(f"/Users/{eve['id']}", operation)
    assert refused.error == (403, None)
    assert "may not change" in refused.json["detail"]
    assert owner.get(f"/Users/{eve['id']}").ok() == eve


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "displayName"},
        {"op": "remove", "path": "name"},
        {"op": "remove", "path": "nickName"},
        {"op": "remove", "path": ENTERPRISE},
        {"op": "remove", "path": "schemas", "value": [ENTERPRISE]},
        {"op": "remove", "path": "emails"},
        {"op": "remove", "path": 'emails[type eq "work"]'},
        {"op": "remove", "path": f"{ENTERPRISE}:organization"},
    ],
)
def test_a_patch_removes_only_what_is_writable(scoped, owner, eve, operation):
    assert scoped(WRITES_TITLES).patch(f"/Users/{eve['id']}", operation).error == (403, None)
    assert owner.get(f"/Users/{eve['id']}").ok() == eve


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "e@y"},
        {"op": "replace", "path": 'emails[type eq "home"].value', "value": "e@y"},
        {"op": "remove", "path": 'emails[value eq "eve@x"].value'},
        {"op": "remove", "path": "name.givenName", "value": "Eve"},
        {"op": "remove", "path": "name.givenName", "value": "Nobody"},
        {"op": "remove", "path": f"{ENTERPRISE}:department", "value": "Engines"},
    ],
)
def test_a_patch_compares_only_with_what_may_be_read(scoped, owner, eve, operation):
    assert scoped(BLIND).patch(f"/Users/{eve['id']}", operation).error == (403, None)
    assert owner.get(f"/Users/{eve['id']}").ok() == eve


def test_a_value_path_writes_the_sub_attribute_that_is_writable(scoped, owner, eve):
    client = scoped(WRITES_TITLES)
    client.patch(f"/Users/{eve['id']}", {"op": "replace", "path": 'emails[type eq "work"].value', "value": "e@y"}).ok()
    assert owner.get(f"/Users/{eve['id']}").ok()["emails"] == [{"value": "e@y", "type": "work"}]


def test_a_replacement_keeps_what_the_client_may_not_write(scoped, owner, eve):
    """What a client gets, changes and puts back changes what it changed; and so does a part of it."""
    scope = {"type": "User", "readable": ["title", "userName", "emails.value"], "writable": ["title"]}
    client, path = scoped(scope), f"/Users/{eve['id']}"
    seen = client.get(path).ok()
    client.put(path, seen | {"title": "Agent"}).ok()
    now = owner.get(path).ok()
    assert now == eve | {"title": "Agent", "meta": now["meta"]}
    client.put(path, {"schemas": eve["schemas"], "title": "Mole"}).ok()
    now = owner.get(path).ok()
    assert now == eve | {"title": "Mole", "meta": now["meta"]}


def test_a_replacement_clears_what_the_client_may_write_and_leaves_out(scoped, owner, eve):
    client, path = scoped(WRITES_TITLES), f"/Users/{eve['id']}"
    client.put(path, {"schemas": eve["schemas"]}).ok()
    now = owner.get(path).ok()
    assert "title" not in now
    assert now["name"] == {"familyName": "Dropper"}
    assert now[ENTERPRISE] == {"costCenter": "C-1"}
    assert (now["userName"], now["displayName"]) == (eve["userName"], "Eve")


@pytest.mark.parametrize(
    "given",
    [
        {"displayName": "Eve"},
        {"name": {"givenName": "Eve", "familyName": "Dropper"}},
        {"emails": [{"value": "eve@x", "type": "work"}]},
        {"password": "secret"},
        {ENTERPRISE: {"department": "Engines", "costCenter": "C-1"}},
    ],
)
def test_a_replacement_with_what_is_neither_readable_nor_writable_is_refused_also_when_it_is_right(
    scoped, owner, eve, given
):
    client, path = scoped(BLIND), f"/Users/{eve['id']}"
    assert client.put(path, client.get(path).ok() | given).error == (403, None)
    assert owner.get(path).ok() == eve


def test_a_replacement_with_another_value_of_what_may_be_read_alone_is_refused(scoped, owner, eve):
    client, path = scoped(BLIND), f"/Users/{eve['id']}"
    answer = client.put(path, client.get(path).ok() | {"userName": "mallory"})
    assert answer.error == (403, None)
    assert "'userName'" in answer.json["detail"]
    assert owner.get(path).ok() == eve


def test_a_creation_sets_what_may_be_written(scoped):
    client = scoped({"type": "User", "writable": ["userName", "emails.value"]})
    assert client.post("/Users", user(emails=[{"value": "a@b"}])).status == 201
    for more in (
        {"title": "T"},
        {"emails": [{"value": "a@b", "type": "work"}]},
        {"password": "p"},
        {"externalId": "E"},
    ):
        assert client.post("/Users", user(**more)).error == (403, None)


# fences


def test_a_fence_hides_what_it_leaves_out(scoped, owner, ada, bob):
    client = scoped(fenced())
    there, nobody = f"/Users/{bob['id']}", f"/Users/{NOBODY}"
    assert client.get(f"/Users/{ada['id']}").status == 200
    patch = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": "Stolen"}]}
    for tag in (None, "*", bob["meta"]["version"], 'W/"999"'):
        headers = {"If-Match": tag, "If-None-Match": tag}
        for method, body in (("GET", None), ("HEAD", None), ("PUT", user()), ("PATCH", patch), ("DELETE", None)):
            hidden, absent = (client.send(method, path, body, headers=headers) for path in (there, nobody))
            assert hidden.status == absent.status == 404, (method, tag)
            assert hidden.body.replace(bob["id"].encode(), b"") == absent.body.replace(NOBODY.encode(), b"")
    assert owner.get(there).ok() == bob


def test_a_fence_holds_in_searches_counts_and_cursors(scoped, owner, ada, bob):
    client = scoped(fenced())
    for endpoint in ("/Users", ""):
        found = client.get(endpoint, count=1000).ok()
        assert {item[ENTERPRISE]["department"] for item in found["Resources"]} == {"Engines"}
        assert found["totalResults"] == len(found["Resources"])
        for text in ('title eq "Baron"', f'id eq "{bob["id"]}"', f'userName eq "{bob["userName"]}"'):
            assert client.get(endpoint, filter=text).ok()["totalResults"] == 0
            assert bob["id"] not in client.found(f"not ({text})", endpoint, count=1000)
        assert client.get(endpoint, count=0).ok()["totalResults"] == found["totalResults"]
    walked, cursor = [], ""
    while True:
        page = client.get("/Users", count=1, cursor=cursor).ok()
        walked += [item["id"] for item in page["Resources"]]
        if (cursor := page.get("nextCursor")) is None:
            break
    assert ada["id"] in walked
    assert bob["id"] not in walked


def test_a_cursor_serves_nobody_with_other_rights(scoped, owner, ada, bob):
    cursor = owner.get("/Users", count=1, cursor="").ok()["nextCursor"]
    for client in (scoped(fenced()), scoped(PHONE_BOOK), scoped(EVERYTHING)):
        assert client.get("/Users", count=1, cursor=cursor).error == (400, "invalidCursor")
    theirs = scoped(EVERYTHING).get("/Users", count=1, cursor="").ok()["nextCursor"]
    assert scoped(EVERYTHING).get("/Users", count=1, cursor=theirs).status == 200, "the same rights"
    assert owner.get("/Users", count=1, cursor=theirs).error == (400, "invalidCursor")


def test_a_token_moves_nobody_out_of_its_fence_and_nobody_into_it(scoped, owner, eve, bob):
    client, path = scoped(fenced()), f"/Users/{eve['id']}"
    department = f"{ENTERPRISE}:department"
    leaving = [
        client.patch(path, {"op": "replace", "path": department, "value": "Mills"}),
        client.patch(path, {"op": "remove", "path": department}),
        client.put(path, user()),
        client.post("/Users", user(**{ENTERPRISE: {"department": "Mills"}})),
        client.post("/Users", user()),
    ]
    assert [answer.error for answer in leaving] == [(403, None)] * 5
    assert owner.get(path).ok() == eve
    entering = client.patch(f"/Users/{bob['id']}", {"op": "replace", "path": department, "value": "Engines"})
    assert entering.error == (404, None)
    client.post("/Users", user(**{ENTERPRISE: {"department": "ENGINES"}})).ok(201)
    client.delete(path).ok(204)


def test_an_etag_answers_within_the_fence_alone(scoped, ada, bob):
    client = scoped(fenced())
    tag = client.get(f"/Users/{ada['id']}").headers["etag"]
    assert client.send("GET", f"/Users/{ada['id']}", headers={"If-None-Match": tag}).status == 304
    assert client.send("GET", f"/Users/{bob['id']}", headers={"If-None-Match": bob["meta"]["version"]}).status == 404


def test_a_fence_by_id_is_somebody_alone(scoped, ada, bob):
    client = scoped({"type": "User", "filter": f'id eq "{ada["id"]}"'})
    assert client.found("userName pr") == [ada["id"]]
    assert client.get(f"/Users/{bob['id']}").error == (404, None)


def test_me_is_within_the_scopes(server, owner, ada, bob):
    def me(who, *scopes):
        return owner.with_token(server.new_token(owner, scopes=scopes, user=who["userName"]))

    assert me(ada, PHONE_BOOK).get("/Me").ok()["name"] == {"givenName": "Ada"}
    assert me(ada, fenced()).get("/Me").ok()["id"] == ada["id"]
    assert me(bob, fenced()).get("/Me").error == (404, None)
    assert me(bob, {"type": "Group"}).get("/Me").error == (403, None)
    writer = me(ada, {"type": "User", "operations": ["read"]})
    assert writer.patch("/Me", {"op": "replace", "path": "title", "value": "T"}).error == (403, None)


# memberships


@pytest.fixture
def team(owner, ada, bob):
    """A group with a member on each side of the fence."""
    return owner.new_group(ada["id"], bob["id"])


def members_of(client, made):
    return {member["value"] for member in client.get(f"/Groups/{made['id']}").ok().get("members", [])}


def test_members_behind_a_fence_are_not_seen_and_not_searched_for(scoped, owner, ada, bob, team):
    client = scoped(fenced(), {"type": "Group"})
    assert members_of(client, team) == {ada["id"]}
    (found,) = client.get("/Groups", filter=f'id eq "{team["id"]}"').ok()["Resources"]
    assert [member["value"] for member in found["members"]] == [ada["id"]]
    alone = owner.new_group(bob["id"])
    assert "members" not in client.get(f"/Groups/{alone['id']}").ok()


@pytest.mark.parametrize(
    "text",
    [
        "members pr",
        'members.value co "0"',
        'members.display eq "Bob"',
        'members[type eq "User"]',
        'members[not (value eq "{ada}")]',
        'members[value eq "{ada}" or type eq "User"]',
        'members.value eq "{ada}" and members.type eq "User"',
        'not (members.value eq "{ada}") or members pr',
    ],
)
def test_a_fenced_token_asks_for_no_members_whom_it_does_not_name(scoped, ada, text):
    client = scoped(fenced(), {"type": "Group"})
    assert client.get("/Groups", filter=text.format(ada=ada["id"])).error == (403, None)
    assert client.get("/Groups", sortBy="members").error == (403, None)


NAMING = [
    ('members.value eq "{}"', ["both"]),
    ('members eq "{}"', ["both"]),
    ('members.$ref eq "Users/{}"', ["both"]),
    ('members[value eq "{}"]', ["both"]),
    ('members[value eq "{}" and type eq "User"]', ["both"]),
    ('members[value eq "{}" and type eq "Group"]', []),
    ('members.value eq "{}" and displayName sw "Fenced"', ["both"]),
    ('members.value ne "{}"', ["alone", "neither"]),
    ('not (members[value eq "{}"])', ["alone", "neither"]),
    ('members[value eq "{}" or value eq "nobody"]', ["both"]),
]
"""Filters over three groups that ask for a member; who is found when it is one whom the token sees."""


def test_a_fenced_token_asks_for_whom_it_sees_and_hears_nothing_of_others(server):
    with server.new_tenant() as owner:
        ada, bob = (owner.new_user(**{ENTERPRISE: {"department": name}})["id"] for name in ("Engines", "Mills"))
        members = {"Fenced both": (ada, bob), "Fenced alone": (bob,), "Fenced neither": (), "Behind": (ada, bob)}
        made = {owner.new_group(*some, displayName=name)["id"]: name for name, some in members.items()}
        scopes = [fenced(), {"type": "Group", "filter": 'displayName sw "Fenced"'}]
        client = owner.with_token(server.new_token(owner, scopes=scopes))

        def found(text):
            answer = client.post("/Groups/.search", {"schemas": [SEARCH], "filter": text}).ok()
            assert answer["totalResults"] == len(answer["Resources"]), text
            return [made[resource["id"]].removeprefix("Fenced ") for resource in answer["Resources"]]

        for text, names in NAMING:
            assert found(text.format(ada)) == names, text
            assert found(text.format(bob)) == found(text.format(NOBODY)), text
        assert found(f'members[value eq "{ada}" or value eq "{bob}"]') == ["both"]
        assert found(f'members.value eq "{bob}" or members.value eq "{ada}"') == ["both"]
        assert [
            made[one["id"]] for one in owner.get("/Groups", filter=f'members.value eq "{bob}"').ok()["Resources"]
        ] == [
            "Fenced both",
            "Fenced alone",
            "Behind",
        ]


def test_nobody_behind_a_fence_joins_or_leaves(scoped, owner, ada, bob, team):
    client, path = scoped(fenced(), {"type": "Group"}), f"/Groups/{team['id']}"

    def add(member):
        return client.patch(path, {"op": "add", "path": "members", "value": [{"value": member}]})

    def attempts(member):
        return [
            add(member),
            client.post("/Groups", group(member)),
            client.put(path, group(member, displayName=team["displayName"])),
            client.patch(path, {"op": "remove", "path": f'members[value eq "{member}"]'}),
            client.patch(path, {"op": "remove", "path": "members", "value": [{"value": member}]}),
        ]

    for hidden, absent in zip(attempts(bob["id"]), attempts(NOBODY), strict=True):
        assert hidden.status == absent.status
        if hidden.status == 400:
            assert hidden.body.replace(bob["id"].encode(), b"") == absent.body.replace(NOBODY.encode(), b"")
    assert members_of(owner, team) == {ada["id"], bob["id"]}
    client.patch(path, {"op": "remove", "path": f'members[value eq "{ada["id"]}"]'}).ok()
    assert members_of(owner, team) == {bob["id"]}
    add(ada["id"]).ok()
    assert members_of(owner, team) == {ada["id"], bob["id"]}


@pytest.mark.parametrize("how", ["put", "replace", "remove", "filter"])
def test_replacing_the_members_leaves_those_behind_the_fence(scoped, owner, ada, bob, eve, team, how):
    client, path = scoped(fenced(), {"type": "Group"}), f"/Groups/{team['id']}"
    if how == "put":
        client.put(path, group(eve["id"], displayName=team["displayName"])).ok()
    elif how == "replace":
        client.patch(path, {"op": "replace", "path": "members", "value": [{"value": eve["id"]}]}).ok()
    elif how == "remove":
        client.patch(
            path, {"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": [{"value": eve["id"]}]}
        ).ok()
    else:
        remove = {"op": "remove", "path": 'members[type eq "User"]'}
        client.patch(path, remove, {"op": "add", "path": "members", "value": [{"value": eve["id"]}]}).ok()
    assert members_of(owner, team) == {bob["id"], eve["id"]}


def test_a_token_that_may_not_write_members_changes_none(scoped, owner, ada, eve, team):
    client, path = scoped({"type": "Group", "writable": ["displayName"]}, {"type": "User"}), f"/Groups/{team['id']}"
    client.put(path, group(displayName="New")).ok()
    assert members_of(owner, team) == {member["value"] for member in team["members"]}
    client.put(path, client.get(path).ok() | {"displayName": "Newer"}).ok()
    assert members_of(owner, team) == {member["value"] for member in team["members"]}
    for operation in (
        {"op": "add", "path": "members", "value": [{"value": eve["id"]}]},
        {"op": "add", "path": "members", "value": [{"value": ada["id"]}]},
        {"op": "remove", "path": "members"},
        {"op": "remove", "path": f'members[value eq "{ada["id"]}"]'},
        {"op": "replace", "value": {"members": []}},
    ):
        assert client.patch(path, operation).error == (403, None)
    assert client.put(path, group(ada["id"], displayName="Newer")).error == (403, None)
    assert client.put(path, group(ada["id"], eve["id"], displayName="Newer")).error == (403, None)
    assert members_of(owner, team) == {member["value"] for member in team["members"]}


def test_groups_behind_a_fence_are_not_seen_from_people(scoped, owner, ada, team):
    client = scoped({"type": "User"}, {"type": "Group", "filter": 'displayName sw "Open"'})
    assert client.get(f"/Groups/{team['id']}").error == (404, None)
    assert "groups" not in client.get(f"/Users/{ada['id']}").ok()
    assert client.get("/Users", filter=f'groups.value eq "{team["id"]}"').error == (403, None)
    opened = owner.new_group(team["id"], displayName="Open")
    assert members_of(client, opened) == set()
