"""Passwords: taken, never given back, and never kept as they are (RFC 7643 §4.1.1, §9.2)."""

import sqlite3
from contextlib import closing

import pytest
from argon2 import PasswordHasher

from serving import SEARCH, running_server, user

SECRETS = ["Tr0ub4dor-and-3-created", "Tr0ub4dor-and-3-replaced", "Tr0ub4dor-and-3-patched"]


def everything_kept(server):
    """All bytes of the database's files and of the log."""
    files = [*server.database.parent.glob("headcount.db*"), server.log]
    return b"".join(file.read_bytes() for file in files)


def kept_of(server, user_id):
    """What the database keeps of a user's attributes that are never returned."""
    with closing(sqlite3.connect(server.database)) as connection:
        (row,) = connection.execute("SELECT private FROM resource WHERE id = ?", [user_id]).fetchall()
    return row[0]


@pytest.mark.parametrize("passwords", ["discard", "hash"])
def test_a_password_is_in_no_answer_no_log_and_no_file(tmp_path, passwords):
    """Q04, Q11."""
    with running_server(tmp_path, log_level="debug") as server, server.new_tenant(passwords=passwords) as client:
        created = client.post("/Users", user(password=SECRETS[0]))
        path = f"/Users/{created.ok(201)['id']}"
        replaced = client.put(path, user(password=SECRETS[1]), attributes="password,userName")
        operation = {"op": "replace", "path": "password", "value": SECRETS[2]}
        answers = [
            created,
            replaced,
            client.patch(path, operation),
            client.patch(path, {**operation, "value": SECRETS[2]}, attributes="password"),
            client.get(path, attributes="password"),
            client.get("/Users", attributes="password"),
            client.post("/.search", {"schemas": [SEARCH], "attributes": ["password"]}),
            client.bulk({"method": "PUT", "path": path, "data": user(password=SECRETS[2])}),
            client.patch(path, {**operation, "value": [SECRETS[2]] * 2}),
        ]
        assert [answer.status for answer in answers] == [201, 200, 200, 200, 200, 200, 200, 200, 400]
        for answer in answers:
            assert b"password" not in answer.body or answer.status == 400
            assert not any(secret.encode() in answer.body for secret in SECRETS)
        kept = kept_of(server, path.removeprefix("/Users/"))
        if passwords == "discard":
            assert kept in (None, b"", b"{}")
        else:
            hashed = kept.decode().partition('"password":"')[2].partition('"')[0].replace("\\/", "/")
            assert hashed.startswith("$argon2id$v=19$m=19456,t=2,")
            assert PasswordHasher().verify(hashed, SECRETS[2])
        client.put(path, user()).ok()  # a replacement without a password keeps the one that there is
        assert kept_of(server, path.removeprefix("/Users/")) == kept
        assert not any(secret.encode() in everything_kept(server) for secret in SECRETS)


@pytest.mark.parametrize("operator", ["eq", "ne", "sw", "co", "ew", "gt", "lt", "ge", "le"])
def test_a_password_is_no_attribute_to_ask_about(client, operator):
    assert client.get("/Users", filter=f'password {operator} "x"').error == (400, "invalidFilter")
    assert client.get("/Users", filter=f'not (password {operator} "x")').error == (400, "invalidFilter")


def test_a_password_is_no_attribute_to_sort_by(client):
    assert client.get("/Users", sortBy="password").error == (400, "invalidValue")


@pytest.mark.parametrize("passwords", ["discard", "hash"])
@pytest.mark.parametrize("password", [5, ["a", "b"], {"value": "a"}])
def test_a_password_of_another_type_is_refused_without_being_repeated(new_tenant, passwords, password):
    answer = new_tenant(passwords=passwords).post("/Users", user(password=password))
    assert answer.error == (400, "invalidValue")


def test_an_empty_password_is_refused_where_it_would_be_kept(new_tenant):
    assert new_tenant(passwords="hash").post("/Users", user(password="")).error == (400, "invalidValue")
