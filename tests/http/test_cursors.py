"""Cursor pagination: RFC 9865, walked while the directory changes."""

import re
import threading

import pytest

from serving import SEARCH, running_server


@pytest.fixture(scope="module")
def crowd(client):
    return [client.new_user(title=f"{number % 7}" if number % 5 else None)["id"] for number in range(23)]


def walk(client, endpoint="/Users", between=lambda page: None, **query):
    """All pages of a walk; `between` is called with each page before the next one is asked for."""
    pages, cursor = [], ""
    while True:
        page = client.get(endpoint, cursor=cursor, **query).ok()
        pages.append(page)
        between(page)
        if "nextCursor" not in page:
            return pages
        cursor = page["nextCursor"]


def ids(pages):
    return [item["id"] for page in pages for item in page["Resources"]]


@pytest.mark.parametrize("query", [{}, {"sortBy": "title"}, {"sortBy": "title", "sortOrder": "descending"}])
@pytest.mark.parametrize("count", [1, 5, 22, 23, 24])
def test_a_walk_holds_everybody_once_and_ends_without_a_cursor(client, crowd, query, count):
    """Q41."""
    pages = walk(client, count=count, **query)
    assert sorted(ids(pages)) == sorted(crowd)
    sizes = [len(page["Resources"]) for page in pages]
    assert sizes == [size for size in [count] * (23 // count) + [23 % count] if size]
    for page in pages:
        assert page["totalResults"] == 23
        assert page["itemsPerPage"] == len(page["Resources"])
        assert "startIndex" not in page
        assert "previousCursor" not in page
    whole = client.get("/Users", **query).ok()
    assert "nextCursor" not in whole
    assert ids(pages) == ids([whole])


def test_a_cursor_is_of_unreserved_characters_and_says_nothing(client, crowd):
    page = client.get("/Users", cursor="", count=3, sortBy="title").ok()
    assert re.fullmatch(r"[A-Za-z0-9\-._~]+", page["nextCursor"])
    assert page["Resources"][-1]["id"] not in page["nextCursor"]


def test_a_search_message_walks_like_a_query_string(client, crowd):
    body = {"schemas": [SEARCH], "count": 9, "cursor": "", "filter": "title pr"}
    seen = []
    while True:
        page = client.post("/Users/.search", body).ok()
        seen += ids([page])
        if "nextCursor" not in page:
            break
        body = {**body, "cursor": page["nextCursor"]}
    assert seen == client.found("title pr")


def test_the_root_can_be_walked(client, crowd):
    group = client.new_group(crowd[0])
    assert sorted(ids(walk(client, "", count=4))) == sorted([*crowd, group["id"]])
    client.delete(f"/Groups/{group['id']}").ok(204)


def test_who_stays_is_seen_once_while_others_come_and_go(client, crowd):
    leaving = [client.new_user(title="3")["id"] for _ in range(6)]
    coming = []

    def churn(page):
        if leaving:
            client.delete(f"/Users/{leaving.pop(0)}").ok(204)
        coming.append(client.new_user(title=str(len(coming) % 7))["id"])

    for query in ({}, {"sortBy": "title"}, {"sortBy": "title", "sortOrder": "descending"}):
        seen = ids(walk(client, between=churn, count=4, **query))
        assert len(seen) == len(set(seen))
        assert set(crowd) <= set(seen)
    for resource_id in [*leaving, *coming]:
        client.delete(f"/Users/{resource_id}").ok(204)


def test_who_stays_is_seen_once_while_another_client_writes_all_the_time(client, crowd):
    stop, failures = threading.Event(), []

    def write():
        try:
            with client.apart() as other:
                while not stop.is_set():
                    other.delete(f"/Users/{other.new_user(title='2')['id']}").ok(204)
        except AssertionError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [ids(walk(client, count=2, sortBy="title")) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert failures == []
    for once in seen:
        assert len(once) == len(set(once))
        assert set(crowd) <= set(once)


@pytest.mark.parametrize(
    "change",
    [
        {"filter": "title pr"},
        {"sortBy": "title"},
        {"sortOrder": "descending"},
        {"attributes": "title"},
        {"excludedAttributes": "title"},
    ],
)
def test_a_cursor_belongs_to_its_search(client, crowd, change):
    cursor = client.get("/Users", cursor="", count=5).ok()["nextCursor"]
    assert client.get("/Users", cursor=cursor, count=5, **change).error == (400, "invalidCursor")


def test_a_cursor_belongs_to_its_endpoint(client, crowd):
    cursor = client.get("/Users", cursor="", count=5).ok()["nextCursor"]
    for endpoint in ("/Groups", ""):
        assert client.get(endpoint, cursor=cursor, count=5).error == (400, "invalidCursor")


def test_another_count_than_on_the_first_page_is_refused_and_none_is_the_same(client, crowd):
    """Q42."""
    cursor = client.get("/Users", cursor="", count=5).ok()["nextCursor"]
    assert client.get("/Users", cursor=cursor, count=6).error == (400, "invalidCount")
    assert len(client.get("/Users", cursor=cursor).ok()["Resources"]) == 5


@pytest.mark.parametrize("forge", [lambda text: text[:-1], lambda text: text[::-1], lambda text: text + "A"])
def test_a_forged_cursor_is_refused(client, crowd, forge):
    """Q42."""
    cursor = client.get("/Users", cursor="", count=5).ok()["nextCursor"]
    assert client.get("/Users", cursor=forge(cursor), count=5).error == (400, "invalidCursor")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "a b", "0", "null", "=" * 50, "A" * 5000])
def test_what_never_was_a_cursor_is_refused(client, crowd, cursor):
    assert client.get("/Users", cursor=cursor).error == (400, "invalidCursor")


def test_every_single_altered_character_is_noticed(client, crowd):
    cursor = client.get("/Users", cursor="", count=5).ok()["nextCursor"]
    for at in range(0, len(cursor) - 1, 7):
        altered = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        assert client.get("/Users", cursor=altered, count=5).error == (400, "invalidCursor")


def test_a_first_page_without_resources_says_only_how_many_there_are(client, crowd):
    page = client.get("/Users", cursor="", count=0).ok()
    assert (page["totalResults"], page["Resources"]) == (23, [])
    assert "nextCursor" not in page


def test_a_cursor_of_another_tenant_is_a_forged_one(client, crowd, new_tenant):
    """Q43."""
    other = new_tenant()
    for _ in range(3):
        other.new_user()
    cursor = client.get("/Users", cursor="", count=2).ok()["nextCursor"]
    forged = other.get("/Users", cursor="A" * len(cursor), count=2)
    assert other.get("/Users", cursor=cursor, count=2).body == forged.body
    assert forged.error == (400, "invalidCursor")


def test_a_cursor_goes_on_under_another_token_of_the_tenant(server, client, crowd):
    cursor = client.get("/Users", cursor="", count=5).ok()["nextCursor"]
    other = client.with_token(server.new_token(client))
    assert other.get("/Users", cursor=cursor).ok()["Resources"] == client.get("/Users", cursor=cursor).ok()["Resources"]


def test_a_late_cursor_has_expired_and_a_cursor_outlives_the_server(tmp_path):
    """Q42."""
    with running_server(tmp_path) as server, server.new_tenant() as client:
        for _ in range(3):
            client.new_user()
        cursor = client.get("/Users", cursor="", count=2).ok()["nextCursor"]
        path, token = client.path, client.token
    with running_server(tmp_path, cursor_timeout=1) as server, server.client(path, token) as client:
        assert len(client.get("/Users", cursor=cursor).ok()["Resources"]) == 1
        short = client.get("/Users", cursor="", count=2).ok()["nextCursor"]
        while (answer := client.get("/Users", cursor=short)).status == 200:
            pass
        assert answer.error == (400, "expiredCursor")
