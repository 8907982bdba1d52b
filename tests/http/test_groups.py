"""Groups and memberships (RFC 7643 §4.2, §4.1.2)."""

import threading

import pytest

from serving import GROUP, group


def member(*ids):
    return [{"value": each} for each in ids]


def add(*ids):
    return {"op": "add", "path": "members", "value": member(*ids)}


def remove(resource_id):
    return {"op": "remove", "path": f'members[value eq "{resource_id}"]'}


def members_of(client, there):
    return sorted(item["value"] for item in client.get(f"/Groups/{there['id']}").ok().get("members", []))


@pytest.fixture(scope="module")
def people(client):
    return [client.new_user(displayName=f"Person {number}")["id"] for number in range(4)]


def test_members_are_shown_with_their_type_reference_and_name(client, people):
    inner = client.new_group(displayName="Inner")
    there = client.new_group(people[0], inner["id"])
    expected = {
        people[0]: {"type": "User", "display": "Person 0", "$ref": f"{client.base_url}/Users/{people[0]}"},
        inner["id"]: {"type": "Group", "display": "Inner", "$ref": f"{client.base_url}/Groups/{inner['id']}"},
    }
    for shown in (there, client.get(f"/Groups/{there['id']}").ok()):
        assert {item.pop("value"): item for item in shown["members"]} == expected


def test_a_name_is_followed_by_its_display_and_is_not_taken_from_the_client(client):
    person = client.new_user(displayName="Before")
    body = group() | {"members": [{"value": person["id"], "display": "Invented", "$ref": "https://x.example/y"}]}
    there = client.post("/Groups", body).ok(201)
    assert there["members"][0]["display"] == "Before"
    assert there["members"][0]["$ref"] == person["meta"]["location"]
    client.patch(f"/Users/{person['id']}", {"op": "replace", "path": "displayName", "value": "After"}).ok()
    got = client.get(f"/Groups/{there['id']}").ok()
    assert got["members"][0]["display"] == "After"
    assert got["meta"] == there["meta"]


def test_a_group_needs_a_name_that_is_not_empty(client):
    for name in (None, ""):
        assert client.post("/Groups", group(displayName=name)).error == (400, "invalidValue")


def test_an_unknown_member_is_refused_by_name_and_nothing_is_stored(client, people):
    there = client.new_group(people[0])
    path, before = f"/Groups/{there['id']}", client.get("/Groups", count=0).ok()["totalResults"]
    for answer in (
        client.post("/Groups", group(people[0], "nobody-there")),
        client.put(path, {**group(displayName="Lost"), "members": member(people[1], "nobody-there")}),
        client.patch(path, {"op": "replace", "path": "displayName", "value": "Lost"}, add(people[1], "nobody-there")),
    ):
        assert answer.error == (400, "invalidValue")
        assert "nobody-there" in answer.json["detail"]
    assert client.get(path).ok() == there
    assert client.get("/Groups", count=0).ok()["totalResults"] == before


def test_adding_who_is_in_and_removing_who_is_not_succeed_and_change_nothing(client, people):
    """Q50, Q51."""
    there = client.new_group(people[0])
    path = f"/Groups/{there['id']}"
    assert client.patch(path, add(people[0])).ok() == there
    assert client.patch(path, remove(people[1])).ok() == there
    assert client.patch(path, remove("nobody-there")).ok() == there
    assert client.put(path, there).ok() == there


def test_members_are_added_removed_and_replaced(client, people):
    there = client.new_group(people[0])
    path = f"/Groups/{there['id']}"
    changed = client.patch(path, add(people[1], people[2]), remove(people[0])).ok()
    assert sorted(item["value"] for item in changed["members"]) == sorted(people[1:3])
    assert changed["meta"]["version"] != there["meta"]["version"]
    client.patch(path, {"op": "replace", "path": "members", "value": member(people[3])}).ok()
    assert members_of(client, there) == [people[3]]
    client.patch(path, {"op": "add", "value": {"members": member(people[0])}}).ok()
    assert members_of(client, there) == sorted([people[0], people[3]])
    emptied = client.patch(path, {"op": "remove", "path": "members"}).ok()
    assert "members" not in emptied


def test_a_removal_with_a_value_removes_no_more_than_that_value(client, people):
    """Q52."""
    there = client.new_group(*people[:3])
    client.patch(f"/Groups/{there['id']}", {"op": "remove", "path": "members", "value": member(people[1])}).ok()
    assert members_of(client, there) == sorted([people[0], people[2]])


def test_a_member_cannot_be_turned_into_another(client, people):
    """Q56."""
    there = client.new_group(people[0])
    change = {"op": "replace", "path": f'members[value eq "{people[0]}"].value', "value": people[1]}
    assert client.patch(f"/Groups/{there['id']}", change).error == (400, "mutability")
    assert members_of(client, there) == [people[0]]


def test_a_member_named_twice_is_a_member_once(client, people):
    assert len(client.new_group(people[0], people[0])["members"]) == 1


def test_replacing_a_group_replaces_its_members(client, people):
    there = client.new_group(*people[:2])
    path = f"/Groups/{there['id']}"
    replaced = client.put(path, group(people[2], displayName=there["displayName"])).ok()
    assert [item["value"] for item in replaced["members"]] == [people[2]]
    assert "members" not in client.put(path, group(displayName=there["displayName"])).ok()


def test_groups_of_a_user_are_direct_and_indirect_and_can_be_searched(client):
    person = client.new_user()
    inner = client.new_group(person["id"], displayName="Inner groups")
    outer = client.new_group(inner["id"], displayName="Outer groups")
    top = client.new_group(outer["id"], displayName="Top groups")
    names = {
        inner["id"]: ("direct", "Inner groups"),
        outer["id"]: ("indirect", "Outer groups"),
        top["id"]: ("indirect", "Top groups"),
    }
    expected = {
        each: {"type": kind, "display": name, "$ref": f"{client.base_url}/Groups/{each}"}
        for each, (kind, name) in names.items()
    }
    got = client.get(f"/Users/{person['id']}").ok()
    assert {item.pop("value"): item for item in got["groups"]} == expected
    for text in (
        f'groups.value eq "{top["id"]}"',
        'groups.display eq "outer GROUPS"',
        f'groups[value eq "{inner["id"]}" and type eq "direct"]',
        'groups[type eq "indirect" and display sw "top"]',
    ):
        assert client.found(text) == [person["id"]]
    assert client.found(f'groups[value eq "{top["id"]}" and type eq "direct"]') == []
    client.patch(f"/Groups/{outer['id']}", remove(inner["id"])).ok()
    assert [item["value"] for item in client.get(f"/Users/{person['id']}").ok()["groups"]] == [inner["id"]]


def test_a_group_cannot_contain_itself_by_any_way_round(client):
    inner = client.new_group()
    middle = client.new_group(inner["id"])
    outer = client.new_group(middle["id"])
    for there, contained in ((inner, outer), (inner, middle), (inner, inner), (middle, outer)):
        answer = client.patch(f"/Groups/{there['id']}", add(contained["id"]))
        assert answer.error == (400, "invalidValue")
        body = group(contained["id"], displayName=there["displayName"])
        assert client.put(f"/Groups/{there['id']}", body).error == (400, "invalidValue")
    assert "members" not in client.get(f"/Groups/{inner['id']}").ok()


def test_deleting_a_resource_ends_its_memberships(client):
    person, stays = client.new_user(), client.new_user()
    inner = client.new_group(person["id"])
    outer = client.new_group(inner["id"], person["id"], stays["id"])
    client.delete(f"/Users/{person['id']}").ok(204)
    assert members_of(client, inner) == []
    assert members_of(client, outer) == sorted([inner["id"], stays["id"]])
    client.delete(f"/Groups/{inner['id']}").ok(204)
    assert members_of(client, outer) == [stays["id"]]
    client.delete(f"/Groups/{outer['id']}").ok(204)
    assert "groups" not in client.get(f"/Users/{stays['id']}").ok()


@pytest.fixture(scope="module")
def crowd(client):
    """201 users, made by one request."""
    operations = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": str(number),
            "data": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"crowd{number}"},
        }
        for number in range(201)
    ]
    made = client.bulk(*operations).ok()["Operations"]
    return [operation["location"].rsplit("/", 1)[1] for operation in made]


def test_a_patch_of_a_group_with_more_than_200_members_answers_204_with_the_version(client, crowd):
    there = client.new_group(*crowd[:199])
    path = f"/Groups/{there['id']}"
    assert len(client.patch(path, add(crowd[199])).ok()["members"]) == 200
    answer = client.patch(path, add(crowd[200]))
    assert (answer.status, answer.body) == (204, b"")
    head = client.get(path, attributes="displayName")
    assert answer.headers["etag"] == head.headers["etag"]
    assert answer.headers["location"] == there["meta"]["location"]
    assert members_of(client, there) == sorted(crowd)
    removed = client.patch(path, remove(crowd[0]))
    assert (removed.status, len(removed.json["members"])) == (200, 200)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"attributes": "displayName"}, {"schemas", "id", "displayName"}),
        ({"attributes": "members"}, {"schemas", "id", "members"}),
        ({"excludedAttributes": "members"}, {"schemas", "id", "displayName", "meta"}),
    ],
)
def test_a_patch_of_a_large_group_answers_with_it_when_a_projection_is_asked_for(client, crowd, query, shown):
    there = client.new_group(*crowd)
    rename = {"op": "replace", "path": "displayName", "value": "Renamed"}
    patched = client.patch(f"/Groups/{there['id']}", rename, **query).ok()
    assert patched.keys() == shown
    assert len(patched.get("members", crowd)) == 201


def test_a_large_group_comes_whole_however_it_is_read(client, crowd):
    there = client.new_group(*crowd)
    mine = {"filter": f'id eq "{there["id"]}"'}
    (listed,) = client.get("/Groups", **mine).ok()["Resources"]
    replaced = client.put(f"/Groups/{there['id']}", there).ok()
    assert listed == replaced == there == client.get(f"/Groups/{there['id']}").ok()
    assert sorted(item["value"] for item in there["members"]) == sorted(crowd)


def test_a_hundred_concurrent_changes_of_members_all_survive(client, crowd):
    there = client.new_group(*crowd[100:200])
    path, statuses = f"/Groups/{there['id']}", []

    def work(numbers):
        with client.apart() as other:
            for number in numbers:
                change = add(crowd[number]) if number < 100 else remove(crowd[number])
                statuses.append(other.patch(path, change, attributes="id").status)

    threads = [threading.Thread(target=work, args=(range(start, 150, 10),)) for start in range(50, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 100
    assert members_of(client, there) == sorted(crowd[50:100] + crowd[150:200])


def test_a_group_of_several_thousand_members_is_streamed_whole(client, crowd):
    bulk = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": f"g{number}",
            "data": {"schemas": [GROUP], "displayName": f"G{number}"},
        }
        for number in range(1000)
    ]
    made = client.bulk(*bulk).ok()["Operations"]
    ids = [operation["location"].rsplit("/", 1)[1] for operation in made] + crowd
    there = client.post("/Groups", group(*ids))
    assert [item["value"] for item in there.ok(201)["members"]] == sorted(ids)
    path = f"/Groups/{there.json['id']}"
    got = client.get(path)
    assert got.headers["transfer-encoding"] == "chunked"
    assert got.ok() == there.json
    assert client.get("/Groups", filter=f'id eq "{there.json["id"]}"').ok()["Resources"] == [there.json]
    assert client.send("HEAD", path).body == b""
    answer = client.patch(path, add(ids[0]))
    assert answer.status == 204
