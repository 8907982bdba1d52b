"""What targets say when they refuse, in whatever form, and when to come back."""

from datetime import UTC, datetime

import pytest

from headcount.provisioning.targets.explaining import MOST_CHARACTERS, Redaction, explain, retry_after

PLAIN = Redaction(["s3cret-token"])
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","detail":"No."}', "No."),
        (b'{"code":429,"message":"Slow down"}', "Slow down"),
        (b'{"error":{"code":404,"message":"Not here","status":"NOT_FOUND"}}', "Not here"),
        (b'{"Errors":{"description":"user_not_found","code":404}}', "user_not_found"),
        (b'{"errors":[{"message":"Bad name"}]}', "Bad name"),
        (b'{"error":"invalid_grant","error_description":"Expired"}', "Expired"),
        (b'["one","two"]', "one"),
        (b"plain words", "plain words"),
        (b"", "Not Found"),
        (b"null", "null"),
        (b"<html><head><title>404 &amp; gone</title></head><body>x</body></html>", "404 & gone"),
        (b"<!DOCTYPE html><script>var a;</script><p>Only <b>this</b></p>", "Only this"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
    ],
)
def test_words_are_found_in_any_form(body, words):
    assert explain(404, body, PLAIN).words == words


def test_a_scim_error_keeps_its_type():
    refusal = explain(409, b'{"scimType":"uniqueness","detail":"Taken","status":"409"}', PLAIN)

    assert str(refusal) == "409 uniqueness: Taken"


def test_a_page_is_said_to_be_one():
    assert "HTML page" in str(explain(502, b"<html><title>Bad Gateway</title></html>", PLAIN))


@pytest.mark.parametrize("length", [MOST_CHARACTERS, MOST_CHARACTERS + 1])
def test_words_are_bounded(length):
    words = explain(400, b"x" * length, PLAIN).words

    assert len(words) == MOST_CHARACTERS
    assert words.endswith("…") is (length > MOST_CHARACTERS)


@pytest.mark.parametrize(
    "body",
    [
        b'{"detail":"You sent Bearer s3cret-token"}',
        b'{"detail":"Authorization: Basic czNjcmV0LXRva2Vu"}',
        b'{"detail":"body was {\\"password\\": \\"s3cret-token\\"}"}',
        b"password=s3cret-token&x=1",
        b"<html><title>token s3cret-token</title></html>",
    ],
)
def test_no_secret_is_repeated(body):
    words = explain(400, body, PLAIN).words

    assert "s3cret" not in words
    assert "czNj" not in words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("99999999", 7 * 24 * 3600.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after(text, NOW) == seconds
