"""ETags and preconditions (RFC 7644 §3.14)."""

import threading

import pytest

from serving import user

CURRENT = 'W/"{version}"'
MATCHING = [
    'W/"{version}"',
    '"{version}"',
    "*",
    'W/"other", W/"{version}"',
    '"other","{version}"',
    ' W/"{version}" ',
]
STALE = ['W/"0"', '"0"', 'W/"x", "y"', "nonsense", '""', 'w/"other"']


@pytest.fixture
def person(client):
    return client.new_user()


def number(resource):
    return resource["meta"]["version"].removeprefix("W/").strip('"')


@pytest.mark.parametrize("tag", MATCHING)
def test_a_get_of_the_version_that_the_client_has_is_304_without_a_body(client, person, tag):
    """Q66."""
    headers = {"If-None-Match": tag.format(version=number(person))}
    answer = client.send("GET", f"/Users/{person['id']}", headers=headers)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == person["meta"]["version"]
    assert "content-type" not in answer.headers


def test_header_lines_of_one_name_are_one_list(client, person):
    lines = {"If-None-Match": person["meta"]["version"], "if-none-match": 'W/"other"'}
    assert client.send("GET", f"/Users/{person['id']}", headers=lines).status == 304


@pytest.mark.parametrize("tag", STALE)
def test_a_get_of_another_version_is_answered(client, person, tag):
    assert client.send("GET", f"/Users/{person['id']}", headers={"If-None-Match": tag}).ok() == person


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag", MATCHING)
def test_a_write_on_the_version_that_the_client_has_is_carried_out(client, person, method, tag):
    """Q65."""
    headers = {"If-Match": tag.format(version=number(person))}
    answer = client.send(method, f"/Users/{person['id']}", body_of(method, person), headers=headers)
    assert answer.status == (204 if method == "DELETE" else 200)
    if method != "DELETE":
        assert answer.json["title"] == "T"
        assert answer.headers["etag"] == answer.json["meta"]["version"] != person["meta"]["version"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag", STALE)
def test_a_write_on_another_version_is_refused_and_changes_nothing(client, person, method, tag):
    path = f"/Users/{person['id']}"
    answer = client.send(method, path, body_of(method, person), headers={"If-Match": tag})
    assert answer.error == (412, None)
    assert client.get(path).ok() == person


def body_of(method, person):
    patch = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "path": "title", "value": "T"}],
    }
    return {"PUT": {**person, "title": "T"}, "PATCH": patch, "DELETE": None}[method]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_precondition_on_what_is_not_there_is_404(client, person, method):
    answer = client.send(method, "/Users/unknown", body_of(method, person), headers={"If-Match": "*"})
    assert answer.error[0] in (404, 412)


def test_of_two_writers_with_the_same_version_one_wins(client, person):
    """RFC 7644 §3.14: check and write are one step."""
    outcomes, start = [], threading.Barrier(8)

    def write(title):
        with client.apart() as other:
            start.wait()
            headers = {"If-Match": person["meta"]["version"]}
            outcomes.append(
                other.send("PUT", f"/Users/{person['id']}", {**person, "title": title}, headers=headers).status
            )

    threads = [threading.Thread(target=write, args=(str(each),)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200] + [412] * 7


def test_writers_without_a_precondition_all_succeed_and_none_is_lost(client, person):
    names = ("title", "nickName", "displayName", "userType", "locale", "timezone")
    statuses = []

    def write(name):
        with client.apart() as other:
            statuses.append(other.patch(f"/Users/{person['id']}", {"op": "add", "path": name, "value": name}).status)

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * len(names)
    got = client.get(f"/Users/{person['id']}").ok()
    assert [got[name] for name in names] == list(names)


def test_of_many_creations_with_one_user_name_one_wins(client):
    body, statuses = user(), []

    def create():
        with client.apart() as other:
            statuses.append(other.post("/Users", body).status)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7
    assert len(client.found(f'userName eq "{body["userName"]}"')) == 1


def test_a_version_is_not_spent_on_derived_values(client, person):
    """The groups of a user are derived and do not change its version (RFC 7643 §3.1)."""
    client.new_group(person["id"])
    got = client.get(f"/Users/{person['id']}").ok()
    assert got["meta"] == person["meta"]
    assert len(got["groups"]) == 1


def test_a_list_has_versions_for_its_elements_and_none_of_its_own(client, person):
    answer = client.get("/Users", filter=f'id eq "{person["id"]}"')
    assert "etag" not in answer.headers
    assert answer.ok()["Resources"] == [person]
