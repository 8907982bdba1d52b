"""Many clients change one group and one user at once, through two workers: no update is lost, and no lock is stolen.

Load: 32 clients over HTTP, each with changes of its own. Lost: nothing.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest

from torture.agreement import check_agreement
from torture.deployments import serving

CLIENTS = 32
ATTRIBUTES = ("displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone")
NAMES = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_installation):
    installation = new_installation()
    with serving(tmp_path_factory.mktemp("server"), installation, "--workers", "2") as (_, client):
        yield installation, client


@pytest.fixture
def clients(server):
    """Clients over connections of their own; what is kept agrees when they are done."""
    installation, client = server
    with ExitStack() as stack:
        yield [stack.enter_context(client.apart()) for _ in range(CLIENTS)]
    check_agreement(installation.url)


def together(clients, act):
    """What each client gives for its number, once all have begun at the same moment."""
    start = Barrier(len(clients))

    def begin(number):
        start.wait()
        return act(clients[number], number)

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(begin, range(len(clients))))


def version_of(answer):
    return int(answer.headers["etag"].strip('W/"'))


def test_no_member_is_lost_and_every_change_has_a_version_of_its_own(clients, rounds):
    """Each client adds its members one by one, and takes every other one out again."""
    each = 6 * rounds
    users = [[clients[0].new_user()["id"] for _ in range(2)] for _ in clients]
    group = clients[0].new_group()["id"]

    def change(client, number):
        versions = []
        for _ in range(each):
            for operation in (
                {"op": "add", "path": "members", "value": [{"value": one} for one in users[number]]},
                {"op": "remove", "path": f'members[value eq "{users[number][0]}"]'},
                {"op": "remove", "path": f'members[value eq "{users[number][1]}"]'},
            ):
                answer = client.patch(f"/Groups/{group}", operation, attributes="displayName")
                answer.ok()
                versions.append(version_of(answer))
        client.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": users[number][1]}]})
        return versions

    versions = together(clients, change)
    for some in versions:
        assert some == sorted(some)
    seen = [version for some in versions for version in some]
    assert len(seen) == len(set(seen)) == CLIENTS * each * 3
    final = clients[0].get(f"/Groups/{group}")
    assert {member["value"] for member in final.ok()["members"]} == {last for _, last in users}
    assert version_of(final) == 1 + CLIENTS * (each * 3 + 1)


def test_patches_of_different_attributes_of_one_user_all_survive(clients):
    """A write without a precondition that loses a race is computed anew (RFC 7644 §3.5)."""
    user = clients[0].new_user(name={"familyName": "x"})["id"]
    paths = [*ATTRIBUTES[:4], *(f"name.{name}" for name in NAMES)]

    def change(client, number):
        path = paths[number % len(paths)]
        value = f"https://example.com/{number}" if path == "profileUrl" else f"{path}-{number}"
        answers = []
        while not answers or answers[-1].status == 409:  # too many were faster; the client is told to try again
            answers.append(client.patch(f"/Users/{user}", {"op": "replace", "path": path, "value": value}))
        assert answers[-1].status == 200, answers[-1].body
        return path, value, version_of(answers[-1])

    written = together(clients, change)
    last = {}
    for path, value, version in sorted(written, key=lambda one: one[2]):
        last[path] = value, version
    assert len({version for *_, version in written}) == CLIENTS
    stored = clients[0].get(f"/Users/{user}")
    found = {**stored.json, **{f"name.{name}": value for name, value in stored.json["name"].items()}}
    assert {path: found[path] for path in last} == {path: value for path, (value, _) in last.items()}
    assert version_of(stored) == 1 + CLIENTS


def test_if_match_lets_one_writer_win_so_that_a_counter_counts_every_increment(clients, rounds):
    """Each client reads, adds one and writes under the version that it read, until it has won its turns."""
    turns = 3 * rounds
    user = clients[0].new_user(title="0")["id"]

    def count(client, _number):
        won = []
        while len(won) < turns:
            read = client.get(f"/Users/{user}")
            body = {**read.json, "title": str(int(read.json["title"]) + 1)}
            answer = client.put(f"/Users/{user}", body, headers={"If-Match": read.headers["etag"]})
            assert answer.status in (200, 412), answer.body
            if answer.status == 200:
                assert version_of(answer) == version_of(read) + 1
                won.append(version_of(answer))
        return won

    won = [version for some in together(clients, count) for version in some]
    assert sorted(won) == list(range(2, 2 + CLIENTS * turns))
    assert clients[0].get(f"/Users/{user}").ok()["title"] == str(CLIENTS * turns)


def test_of_all_who_write_under_one_version_exactly_one_wins(clients, rounds):
    for _ in range(rounds * 5):
        user = clients[0].new_user(title="new")
        url, tag = f"/Users/{user['id']}", user["meta"]["version"]

        def write(client, number, user=user, url=url, tag=tag):
            body = {"schemas": user["schemas"], "userName": user["userName"], "title": f"by {number}"}
            return client.put(url, body, headers={"If-Match": tag}).status

        statuses = together(clients, write)
        assert sorted(statuses) == [200] + [412] * (CLIENTS - 1)
        assert clients[0].get(url).ok()["title"] == f"by {statuses.index(200)}"


def test_of_all_who_want_one_user_name_exactly_one_gets_it(clients, rounds):
    for number in range(rounds * 5):
        answers = together(clients, lambda client, _, name=f"only{number}": client.post("/Users", body_of(name)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * (CLIENTS - 1)


def body_of(name):
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}
