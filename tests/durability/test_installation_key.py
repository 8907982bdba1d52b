"""The installation key: made with the database, moved with it, and overridden by a file."""

import pytest

from processes import quickstart, refusal, run, user

KEY = bytes(range(32))


def cursor_of(client):
    """The cursor behind the first of two users, which the installation key seals."""
    return client.get("/Users", params={"cursor": "", "count": 1}).json()["nextCursor"]


def status_of(client, cursor):
    answer = client.get("/Users", params={"cursor": cursor, "count": 1})
    return answer.status_code, answer.json().get("scimType")


def test_a_cursor_opens_under_the_key_that_sealed_it_and_no_other(tmp_path):
    (tmp_path / "raw.key").write_bytes(KEY)
    (tmp_path / "hexadecimal.key").write_text(KEY.hex() + "\n")
    setting = "HEADCOUNT_INSTALLATION_KEY_FILE"
    with quickstart(tmp_path) as running, running.client() as client:
        for name in ("ada", "grace"):
            client.post("/Users", json=user(name))
        of_database = cursor_of(client)
        assert status_of(client, of_database) == (200, None)
    with quickstart(tmp_path, settings={setting: "raw.key"}) as running, running.client() as client:
        of_file = cursor_of(client)
        assert status_of(client, of_file) == (200, None)
        assert status_of(client, of_database) == (400, "invalidCursor")
    with quickstart(tmp_path, settings={setting: "hexadecimal.key"}) as running, running.client() as client:
        assert status_of(client, of_file) == (200, None)
    with quickstart(tmp_path) as running, running.client() as client:
        assert status_of(client, of_database) == (200, None)
        assert status_of(client, of_file) == (400, "invalidCursor")


@pytest.mark.parametrize("content", [KEY[:-1], KEY.hex()[:-1].encode(), None])
def test_a_key_file_that_holds_no_key_is_refused_by_the_name_of_its_setting(tmp_path, content):
    if content is not None:
        (tmp_path / "bad.key").write_bytes(content)
    done = run(tmp_path, "serve", "--port", "0", settings={"HEADCOUNT_INSTALLATION_KEY_FILE": "bad.key"})
    code, line = refusal(done)

    assert code == 1
    assert line.startswith("error: HEADCOUNT_INSTALLATION_KEY_FILE")
