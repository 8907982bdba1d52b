"""Searches by GET and by POST, over one resource type and over all (RFC 7644 §3.4.2, §3.4.3)."""

import pytest

from serving import ENTERPRISE, LIST, SEARCH, USER, running_server

PEOPLE = {
    "ada": {
        "userName": "Ada@example.com",
        "externalId": "E-1",
        "title": "Countess",
        "active": True,
        "name": {"familyName": "Lovelace", "givenName": "Ada"},
        "emails": [
            {"value": "ada@x.com", "type": "work", "primary": True},
            {"value": "ada@home.org", "type": "home"},
        ],
        ENTERPRISE: {"department": "Engines", "employeeNumber": "7"},
    },
    "bob": {
        "userName": "bob@example.com",
        "active": False,
        "title": "",
        "name": {"familyName": "Jensen"},
        "emails": [{"value": "bob@x.com", "type": "home"}],
    },
    "cyd": {"userName": "cyd@example.com", "title": "baron", "emails": [{"value": "cyd@work.net", "type": "work"}]},
    "élo": {"userName": "ÉLO@example.com", "displayName": 'Élo "E" 100%_ \\o/'},
}


@pytest.fixture(scope="module")
def people(client):
    made = {name: client.new_user(**attributes)["id"] for name, attributes in PEOPLE.items()}
    made["crew"] = client.new_group(made["ada"], displayName="Crew")["id"]
    return made


FOUND = [
    ('userName Eq "ada@EXAMPLE.com"', "ada"),
    ('USERNAME eq "ADA@example.com"', "ada"),
    ('userName eq "élo@example.com"', "élo"),
    ('userName sw "b"', "bob"),
    ('userName co "D@EX"', "cyd"),
    ('userName ew "NOPE"', ""),
    ('externalId eq "E-1"', "ada"),
    ('externalId eq "e-1"', ""),
    ('title eq "x" or title eq "countess" and active eq true', "ada"),
    ('title eq "baron" or title eq "countess" and active eq false', "cyd"),
    ('(title eq "baron" or title eq "countess") and active eq true', "ada"),
    ("title pr", "ada cyd"),
    ("active pr", "ada bob"),
    ("active eq false", "bob"),
    ("title eq null", "bob élo"),
    ("title ne null", "ada cyd"),
    ('title ne "Countess"', "bob cyd élo"),
    ('not (title eq "Countess")', "bob cyd élo"),
    ('not(title eq "Countess") and active eq false', "bob"),
    ('emails[type eq "work" and value co "@x"]', "ada"),
    ('emails[type eq "home" and value co "@x"]', "bob"),
    ('emails.type eq "home" and emails.value co "@x"', "ada bob"),
    ('emails co "home.org"', "ada"),
    ('emails.type ne "work"', "bob élo"),
    ('emails[not (type eq "work")]', "ada bob"),
    ('name.familyName gt "k"', "ada"),
    ('name.familyName lt "k"', "bob"),
    (f'{USER}:name.familyName eq "lovelace"', "ada"),
    (f'{USER.upper()}:userName sw "ada"', "ada"),
    (f'{ENTERPRISE}:department eq "engines"', "ada"),
    (f'schemas eq "{ENTERPRISE}"', "ada"),
    ('meta.resourceType eq "User" and userName sw "cyd"', "cyd"),
    ('groups.display eq "crew"', "ada"),
    ('displayName eq "\\u00c9lo \\"E\\" 100%_ \\\\o\\/"', "élo"),
    ('displayName co "100%_"', "élo"),
    ('displayName co "1%0"', ""),
    ('displayName co "100__"', ""),
    ('meta.created gt "2000-01-01T01:00:00+01:00"', "ada bob cyd élo"),
    ('meta.created lt "2000-01-01T01:00:00+01:00"', ""),
]


@pytest.mark.parametrize(("text", "names"), FOUND)
def test_a_filter_finds_who_it_describes_by_get_and_by_post(client, people, text, names):
    """Q22, Q23, Q26 to Q29, Q32, Q34."""
    expected = [people[name] for name in names.split()]
    assert client.found(text) == expected
    posted = client.post("/Users/.search", {"schemas": [SEARCH], "filter": text}).ok()
    assert [item["id"] for item in posted["Resources"]] == expected
    assert posted["totalResults"] == len(expected)


def test_instants_are_compared_whatever_their_offset(client, people):
    """Q24."""
    created = client.get(f"/Users/{people['ada']}").ok()["meta"]["created"]
    hour = f"{int(created[11:13]) + 14:02}"
    elsewhere = created.replace(f"T{created[11:13]}", f"T{hour}").replace("Z", "+14:00")
    if int(hour) < 24:
        assert people["ada"] in client.found(f'meta.created eq "{elsewhere}"')
    assert people["ada"] in client.found(f'meta.created eq "{created}"')
    assert people["ada"] in client.found(f'meta.created le "{created}"')
    assert people["ada"] not in client.found(f'meta.created lt "{created}"')


REFUSED = [
    "active gt true",
    "active co true",
    'x509Certificates.value gt "A"',
    'userName regex "x"',
    "userName eq 'x'",
    "userName eq x",
    "userName",
    "userName eq",
    'not userName eq "x"',
    '(userName eq "x"',
    'userName eq "x")',
    'userName eq "x" and',
    'unknown eq "x"',
    'not (unknown eq "x")',
    'name eq "x"',
    'name[familyName eq "x"]',
    'emails[value eq "x"',
    'emails[unknown eq "x"]',
    'emails[emails[value eq "x"]]',
    'active eq "maybe"',
    "userName eq true",
    "userName eq 5",
    'meta.created gt "yesterday"',
    "title gt null",
    'password eq "x"',
    "password pr",
    'userName eq "\\x"',
    'userName eq "x" xor title pr',
    "",
    " ",
    "(" * 33 + "title pr" + ")" * 33,
    " or ".join(["title pr"] * 201),
    'title eq "' + "x" * 8192 + '"',
]


@pytest.mark.parametrize("text", REFUSED)
def test_a_filter_that_is_not_understood_is_refused_and_never_ignored(client, people, text):
    """Q25, Q30, Q33."""
    assert client.get("/Users", filter=text).error == (400, "invalidFilter")
    assert client.post("/Users/.search", {"schemas": [SEARCH], "filter": text}).error == (400, "invalidFilter")


def test_the_refusal_names_what_was_not_understood(client):
    assert "regex" in client.get("/Users", filter='userName regex "x"').json["detail"]
    assert "shoeSize" in client.get("/Users", filter="shoeSize pr").json["detail"]
    assert "shoeSize" in client.get("", filter="shoeSize pr").json["detail"]


def test_a_filter_up_to_its_limits_is_answered(client):
    assert client.get("/Users", filter="(" * 32 + "title pr" + ")" * 32).status == 200
    assert client.get("/Users", filter=" or ".join(["title pr"] * 200)).status == 200
    text = 'title eq "' + "x" * (8192 - len('title eq ""')) + '"'
    assert client.get("/Users", filter=text).status == 200


def test_a_search_without_a_match_is_a_success(client):
    assert client.get("/Users", filter='userName eq "nobody"').ok() == {
        "schemas": [LIST],
        "totalResults": 0,
        "itemsPerPage": 0,
        "startIndex": 1,
        "Resources": [],
    }


def test_the_root_searches_every_type_and_what_one_lacks_has_no_value_there(client, people):
    """Q31."""
    everything = client.get("").ok()
    assert everything["totalResults"] == len(people)
    assert {item["id"] for item in everything["Resources"]} == set(people.values())
    assert client.get("/").ok() == everything
    assert client.found("userName pr", "") == [people[name] for name in ("ada", "bob", "cyd", "élo")]
    assert client.found('displayName eq "crew"', "") == [people["crew"]]
    assert client.found('meta.resourceType eq "Group"', "") == [people["crew"]]
    assert client.found("not (userName pr)", "") == [people["crew"]]
    posted = client.post("/.search", {"schemas": [SEARCH], "filter": 'displayName eq "crew"'}).ok()
    assert [item["id"] for item in posted["Resources"]] == [people["crew"]]


@pytest.mark.parametrize(
    ("sort_by", "descending", "names"),
    [
        ("title", False, "bob cyd ada élo"),
        ("title", True, "élo ada cyd bob"),
        ("userName", False, "ada bob cyd élo"),
        ("userName", True, "élo cyd bob ada"),
        ("emails.value", False, "ada bob cyd élo"),
        ("emails", True, "élo cyd bob ada"),
        ("name.familyName", False, "bob ada cyd élo"),
        ("active", False, "bob ada cyd élo"),
        ("meta.created", False, "ada bob cyd élo"),
        ("meta.created", True, "élo cyd bob ada"),
        (f"{ENTERPRISE}:department", False, "ada bob cyd élo"),
    ],
)
def test_results_are_sorted_with_missing_values_last_and_by_id_in_the_end(client, people, sort_by, descending, names):
    """Q35, Q36."""
    query = {"sortBy": sort_by} | ({"sortOrder": "descending"} if descending else {})
    found = [item["id"] for item in client.get("/Users", **query).ok()["Resources"]]
    assert found == [people[name] for name in names.split()]


@pytest.mark.parametrize(
    "query",
    [
        {"sortBy": "unknown"},
        {"sortBy": "password"},
        {"sortBy": "name"},
        {"sortBy": "userName", "sortOrder": "upwards"},
        {"count": "ten"},
        {"count": "1.5"},
        {"startIndex": "first"},
        {"count": "9" * 19},
        {"cursor": "", "startIndex": "1"},
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(client, people, query):
    assert client.get("/Users", **query).error == (400, "invalidValue")


@pytest.mark.parametrize(
    ("query", "start", "count"),
    [
        ({}, 1, 4),
        ({"count": 2}, 1, 2),
        ({"count": 2, "startIndex": 4}, 4, 1),
        ({"count": 0}, 1, 0),
        ({"count": -5}, 1, 0),
        ({"startIndex": 0, "count": 1}, 1, 1),
        ({"startIndex": -3, "count": 1}, 1, 1),
        ({"startIndex": 5}, 5, 0),
        ({"startIndex": 10**17}, 10**17, 0),
        ({"count": 100000}, 1, 4),
        ({"count": ""}, 1, 4),
    ],
)
def test_index_pages_hold_what_was_asked_for_within_bounds(client, people, query, start, count):
    """Q38, Q39, Q40."""
    page = client.get("/Users", **query).ok()
    assert page["schemas"] == [LIST]
    assert page["totalResults"] == 4
    assert page["startIndex"] == start
    assert page["itemsPerPage"] == len(page["Resources"]) == count
    message = {name: value for name, value in query.items() if value != ""}
    assert client.post("/Users/.search", {"schemas": [SEARCH], **message}).ok() == page


def test_index_pages_together_hold_every_resource_once(client, people):
    pages = [client.get("/Users", startIndex=start, count=1).ok()["Resources"] for start in range(1, 5)]
    assert sorted(item["id"] for page in pages for item in page) == sorted(people[name] for name in PEOPLE)


@pytest.mark.parametrize(
    ("change", "scim_type"),
    [
        ({"count": "1"}, "invalidSyntax"),
        ({"count": True}, "invalidSyntax"),
        ({"count": 1.0}, "invalidSyntax"),
        ({"startIndex": [1]}, "invalidSyntax"),
        ({"filter": 1}, "invalidSyntax"),
        ({"sortBy": {}}, "invalidSyntax"),
        ({"attributes": "userName"}, "invalidSyntax"),
        ({"attributes": [1]}, "invalidSyntax"),
        ({"schemas": [USER]}, "invalidSyntax"),
        ({"schemas": "x"}, "invalidSyntax"),
        ({"sortOrder": "sideways", "sortBy": "title"}, "invalidValue"),
    ],
)
def test_a_search_message_of_a_wrong_structure_is_refused(client, change, scim_type):
    assert client.post("/Users/.search", {"schemas": [SEARCH], **change}).error == (400, scim_type)


def test_a_search_message_creates_nothing_and_its_query_string_is_ignored(client, people):
    """Q69."""
    body = {"schemas": [SEARCH], "attributes": ["title"], "filter": 'userName sw "ada"'}
    answer = client.post("/Users/.search", body, filter='userName sw "bob"', attributes="userName")
    assert answer.ok()["Resources"] == [{"schemas": [USER, ENTERPRISE], "id": people["ada"], "title": "Countess"}]
    assert client.get("", count=0).ok()["totalResults"] == len(people)


def test_nothing_stands_at_search_but_post(client):
    for path in ("/Users/.search", "/.search"):
        answer = client.get(path)
        assert answer.error == (405, None)
        assert answer.headers["allow"] == "POST"


def test_a_group_is_found_by_its_members(client, people):
    assert client.found(f'members.value eq "{people["ada"]}"', "/Groups") == [people["crew"]]
    assert client.found(f'members[value eq "{people["ada"]}" and type eq "User"]', "/Groups") == [people["crew"]]
    assert client.found(f'members.value eq "{people["bob"]}"', "/Groups") == []
    assert client.found("members pr", "/Groups") == [people["crew"]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    names = "userName, emails ,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber,name.givenName"
    folder = tmp_path_factory.mktemp("guarded")
    with running_server(folder, sensitive_attributes=names) as server, server.new_tenant() as client:
        yield client


@pytest.mark.parametrize(
    "query",
    [
        {"filter": 'userName eq "a"'},
        {"filter": 'title pr or not (USERNAME sw "a")'},
        {"filter": 'emails[type eq "work"]'},
        {"filter": 'emails.value co "a"'},
        {"filter": 'emails co "a"'},
        {"filter": f'{ENTERPRISE}:employeeNumber eq "7"'},
        {"filter": 'name.givenName eq "a"'},
        {"sortBy": "userName"},
        {"sortBy": "emails"},
    ],
)
def test_a_sensitive_attribute_is_searched_by_post_alone(guarded, query):
    """Q73; the installation names the attributes (RFC 7644 §7.5.2)."""
    there = guarded.new_user(userName="a-guarded@example.com")
    for endpoint in ("/Users", ""):
        answer = guarded.get(endpoint, **query)
        assert answer.error == (403, "sensitive")
        assert "guarded" not in answer.json["detail"]
        assert guarded.post(f"{endpoint}/.search", {"schemas": [SEARCH], **query}).status == 200
    assert guarded.found('title pr or name.familyName eq "x"') == []
    assert guarded.get("/Groups", filter='displayName eq "x"', sortBy="displayName").status == 200
    guarded.delete(f"/Users/{there['id']}").ok(204)
