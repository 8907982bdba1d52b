"""Settings from the environment: each bad value is refused by the name of its variable."""

import pytest

from headcount.settings import Settings, SettingsError

BAD = {
    "DATABASE": [
        "headcount.db",
        "sqlite://headcount.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "mysql://h/x",
    ],
    "PUBLIC_URL": [
        "scim.example.com",
        "ftp://scim.example.com",
        "https://",
        "https://user:secret@example.com",
        "https://example.com/?x=1",
        "https://example.com/?",
        "https://example.com/#part",
        "https://exa mple.com",
        "https://example.com\n",
        "https://[::1",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:http",
    ],
    "LOG_FORMAT": ["xml", "JSON"],
    "LOG_LEVEL": ["loud"],
    "WORKERS": ["0", "-1", "two", "1.5"],
    "SEARCH_BUDGET": ["0", "-1", "nan", "inf", "soon"],
    "HEADER_DEADLINE": ["0", "nan"],
    "BODY_DEADLINE": ["0", "inf"],
    "CONNECTIONS_PER_ADDRESS": ["-1", "many"],
    "PATCHED_MEMBERS": ["-1"],
    "BULK_OPERATIONS": ["0"],
    "BULK_BYTES": ["0"],
    "BODY_BYTES": ["0"],
    "GROUP_BODY_BYTES": ["0"],
    "MEMBERS": ["0"],
    "PATCH_OPERATIONS": ["0"],
    "FILTER_BYTES": ["0"],
    "FILTER_DEPTH": ["0"],
    "FILTER_TERMS": ["0"],
    "DEFAULT_PAGE_SIZE": ["0", "1001"],
    "MAX_PAGE_SIZE": ["0", "99"],
    "CURSOR_TIMEOUT": ["0"],
}
GOOD = {
    "DATABASE": [("sqlite:////var/lib/headcount.db", "sqlite:////var/lib/headcount.db")],
    "PUBLIC_URL": [("https://[::1]:8443/scim/", "https://[::1]:8443/scim"), ("http://a.example", "http://a.example")],
    "CONNECTIONS_PER_ADDRESS": [("0", 0), ("1", 1)],
    "PATCHED_MEMBERS": [("0", 0)],
    "WORKERS": [("1", 1), ("", 1)],
    "SEARCH_BUDGET": [("0.5", 0.5)],
    "DEFAULT_PAGE_SIZE": [("1000", 1000)],
    "MAX_PAGE_SIZE": [("100", 100)],
    "LOG_FORMAT": [("json", "json")],
}


def pairs(table):
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), pairs(BAD))
def test_a_bad_value_is_refused_by_the_name_of_its_variable(name, value):
    with pytest.raises(SettingsError, match=rf"^(?s:.*)HEADCOUNT_{name}\b"):
        Settings.from_environment({f"HEADCOUNT_{name}": value})


@pytest.mark.parametrize(("name", "case"), pairs(GOOD))
def test_a_good_value_is_taken(name, case):
    text, value = case

    assert getattr(Settings.from_environment({f"HEADCOUNT_{name}": text}), name.lower()) == value


def test_an_option_wins_over_the_variable_and_one_that_is_not_given_does_not():
    settings = Settings.from_environment(
        {"HEADCOUNT_WORKERS": "3", "HEADCOUNT_LOG_FORMAT": "json"}, workers=2, log_format=None
    )

    assert (settings.workers, settings.log_format) == (2, "json")


def test_no_message_repeats_the_password_in_a_url():
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"HEADCOUNT_PUBLIC_URL": "https://user:SECRET@example.com"})

    assert "SECRET" not in str(refusal.value)
