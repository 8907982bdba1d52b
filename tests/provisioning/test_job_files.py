"""Job files: what they come to, what is wrong with them and where, and their JSON Schema."""

import json
import re
from pathlib import Path

import orjson
import pytest

from headcount.provisioning.credentials import CredentialError, Secret
from headcount.provisioning.job_files import JobFileError, load_job
from headcount.provisioning.job_schema import JOB, schema_document
from headcount.provisioning.jobs import DEFAULT_GUARD, Leaver, LeaverPolicy, Limit, Nested
from headcount.provisioning.mapping.attributes import When
from headcount.provisioning.plan import GuardKind
from headcount.provisioning.shapes import Choice, Dictionary, Either, Listing, Table

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "sync-job.yaml"

JOB_FILE = """\
name: hr
tenant: acme
source:
  type: csv
  path: people.csv
  key: id
mappings:
  userName: record.email
targets:
  app:
    type: scim
    url: https://app.example.com/scim/v2
"""


def faults_of(text):
    with pytest.raises(JobFileError) as caught:
        load_job(text, path="hr.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_the_smallest_job_has_sensible_defaults():
    job = load_job(JOB_FILE)
    target = job.targets["app"]
    assert [mapping.path for mapping in job.mappings(target)] == ["externalId", "active", "userName"]
    assert (job.source.type, job.source.key, job.source.options["path"]) == ("csv", "id", "people.csv")
    assert target.leaver == LeaverPolicy(Leaver.DEACTIVATE)
    assert target.guard == DEFAULT_GUARD
    assert (target.adopt, target.pack, target.drift) == (("externalId", "userName"), "generic", "report")
    assert [rule.name for rule in job.correlation] == ["externalId", "userName"]
    assert not target.has_groups


def test_the_published_example_is_a_job():
    job = load_job(EXAMPLE.read_text("utf-8"), path=str(EXAMPLE))
    assert job.targets["slack"].authentication == {"bearer": Secret(variable="SLACK_TOKEN")}
    assert job.targets["slack"].leaver == LeaverPolicy(Leaver.DEACTIVATE, 30 * 86_400.0)
    assert job.targets["slack"].guard[GuardKind.DELETE] == Limit(10, 0.05, 86_400.0)
    assert job.targets["slack"].rate == 10.0
    assert job.targets["aws"].nested is Nested.FLATTEN
    assert len(job.variants) == 2
    assert job.joins[0].precedence == {"phone": ("phones", "source")}
    assert {mapping.path: mapping.when for mapping in job.variants[0]}["displayName"] is When.IF_EMPTY


def test_names_are_spelled_as_the_schema_spells_them():
    job = load_job(JOB_FILE.replace("userName:", "USERNAME:"))
    assert [mapping.path for mapping in job.variants[0]] == ["externalId", "active", "userName"]


WRONG = [
    ("name: hr", "nane: hr", "1:1: nane: there is no 'nane' here; did you mean 'name'?"),
    ("name: hr\n", "", "1:1: the file: 'name' is missing: A stable name: state is kept under it."),
    ("name: hr", "name: HR", "1:1: name: 'HR' is not understood; write it like hr-to-apps."),
    ("name: hr", "name: [hr]", "1:1: name: a text is expected here."),
    ("type: csv", "type: xls", "4:3: source.type: 'xls' is none of csv, ndjson, scim, headcount."),
    ("  type: csv\n", "", "3:1: source: 'type' is missing: one of csv, ndjson, scim, headcount."),
    ("userName: record.email", "userName: record.", "8:3: mappings.userName: at character 8: Syntax error: no viable alternative at input '.'."),
    ("userName: record.email", 'userName: record.email\n  emails[type eq "work"].value: unique(record.email)', "9:3: mappings.emails[type eq \"work\"].value: 'unique' makes a userName, and nothing else"),
    ("userName: record.email", "userName: record.email\ngroups: {from: source, mappings: {displayName: unique(record.name)}}", "9:35: groups.mappings.displayName: 'unique' makes a userName, and nothing else: no other value is asked for at the target."),
    ("userName: record.email", "userName: record.email\ncorrelation: [{attribute: nickName, expression: unique(record.nick)}]", "9:15: correlation[0]: 'unique' makes a userName, and nothing else: no other value is asked for at the target."),
    ("userName: record.email", "usrName: record.email", "8:3: mappings.usrName: There is no attribute 'usrName' in User; extensions begin with their URN."),
    ("userName: record.email", "userName: record.email\n  id: record.email", "9:3: mappings.id: id cannot be mapped: it is read-only, a secret, or comes by itself."),
    ("userName: record.email", "userName: record.email\n  password: record.email", "9:3: mappings.password: password cannot be mapped: it is read-only, a secret, or comes by itself."),
    ("userName: record.email", "userName: record.email\n  emails.value: record.email", '9:3: mappings.emails.value: emails.value: name the element, as in emails[type eq "work"].value.'),
    ("userName: record.email", "userName: record.email\n  active: lower(record.x) + ''", "9:3: mappings.active: its value is a STRING, and active is a boolean."),
    ("userName: record.email", "userName: {cel: record.email, constant: x}", "8:3: mappings.userName: give either 'cel' or 'constant'."),
    ("userName: record.email", "userName: {cel: record.email, on: never}", "8:33: mappings.userName.on: 'never' is none of always, create, if-empty."),
    ("userName: record.email", "userName: record.email\n  username: record.x", "9:3: mappings.username: this attribute is mapped twice."),
    ("userName: record.email", "userName: record.email\n  userName: record.x", "9:3: mappings: 'userName' is there twice."),
    ("mappings:", "scope: nane eq 1\nmappings:", "7:1: scope: There is no attribute 'nane' in User."),
    ("mappings:", "scope: title\nmappings:", "7:1: scope: Expected an operator (eq, ne, co, sw, ew, gt, lt, ge, le or pr) behind 'title' at position 6, found the end."),
    ("mappings:", "groups: {from: source, mappings: {members: key}}\nmappings:", "7:35: groups.mappings.members: members cannot be mapped"),
    ("mappings:", "schedule: often\nmappings:", "7:1: schedule: 'often' is no cron expression"),
    ("mappings:", "correlation: [username]\nmappings:", "7:15: correlation[0]: there is no rule 'username'; did you mean 'userName'?"),
    ("mappings:", "policies: {adopt: [phone]}\nmappings:", "11:3: targets.app: adopt: no rule is called 'phone'"),
    ("mappings:", "policies: {leaver: explode}\nmappings:", "7:12: policies.leaver: 'explode' is none of deactivate, delete, keep."),
    ("mappings:", "policies: {guard: {delete: {share: 500%}}}\nmappings:", "7:29: policies.guard.delete.share: a share is at most 100%."),
    ("mappings:", "policies: {rate: fast}\nmappings:", "7:12: policies.rate: 'fast' is not understood; write it like 600/min."),
    ("mappings:", "groups: {from: attribute}\nmappings:", "7:1: groups: 'attribute' goes with 'from: attribute', and only with that."),
    ("https://app", "app", "12:5: targets.app.url: 'app.example.com/scim/v2' is not understood"),
    ("https://app", "https://user:secret@app", "12:5: targets.app.url:"),
    ("  app:", "  App 1:", "10:3: targets.App 1: 'App 1' cannot be a name here; write it like slack."),
    ("name: hr", "name: hr\nname: hr", "2:1: the file: 'name' is there twice."),
    ("name: hr", "name: {hr", "this is no YAML"),
    (JOB_FILE, "", "1:1: the file: it is empty."),
    (JOB_FILE, "just a text", "1:1: the file: keys and values are expected here"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), WRONG)
def test_what_is_wrong_is_said_with_its_place_and_key(old, new, expected):
    assert old in JOB_FILE
    assert expected in "\n".join(faults_of(JOB_FILE.replace(old, new, 1)))


def test_all_faults_are_listed_in_the_order_of_the_file():
    text = JOB_FILE.replace("name: hr", "nam: hr").replace("type: csv", "type: xls").replace("https://app", "app")
    assert [fault.partition(":")[0] for fault in faults_of(text)] == ["1", "1", "4", "12"]
    with pytest.raises(JobFileError, match=r"^hr\.yaml:1:1: "):
        load_job(text, path="hr.yaml")


SECRETS = [
    "bearer: sk-literal",
    "bearer: {env: x}",
    "bearer: ''",
    "headers: {X-Key: sk-literal}",
    "basic: {user: u, password: sk-literal}",
]


@pytest.mark.parametrize("authentication", SECRETS)
def test_a_literal_secret_is_refused_without_being_repeated(authentication):
    (fault,) = faults_of(f"{JOB_FILE}    authentication:\n      {authentication}\n")
    assert 'a secret never stands in the file: write "${NAME}"' in fault
    assert "sk-literal" not in fault


def test_two_ways_to_authenticate_are_one_too_many():
    text = f'{JOB_FILE}    authentication:\n      bearer: ${{A}}\n      headers: {{X: "${{B}}"}}\n'
    assert faults_of(text) == ["13:5: targets.app.authentication: give exactly one of bearer, basic, oauth2, headers."]


def test_a_secret_is_read_where_the_job_says(tmp_path):
    (tmp_path / "token").write_text("s3cret\n", "utf-8")
    assert Secret(variable="TOKEN").read({"TOKEN": "s3cret"}) == "s3cret"
    assert Secret(file=str(tmp_path / "token")).read({}) == "s3cret"
    for secret in (Secret(variable="TOKEN"), Secret(file=str(tmp_path / "nothing"))):
        with pytest.raises(CredentialError):
            secret.read({"TOKEN": ""})


def test_aliases_cannot_multiply_a_file():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "there are more than 100000 values" in faults_of("\n".join(lines))[0]


@pytest.mark.parametrize("length", [1024 * 1024 + 1])
def test_a_file_has_a_size(length):
    assert "longer than" in faults_of("#" * length)[0]


def test_the_schema_is_published_as_it_is():
    published = REPOSITORY / "docs" / "reference" / "sync-job.schema.json"
    assert orjson.loads(published.read_bytes()) == orjson.loads(orjson.dumps(schema_document()))


def test_the_schema_and_the_reader_agree_on_what_a_job_may_say():
    schema = json.loads(orjson.dumps(schema_document()))
    for key, member in _members(JOB):
        assert _find(schema, key.split(".")) is not None, key
        assert member.help.endswith((".", "?")), key


def _members(shape, path=""):
    """(path, member) of everything below a shape."""
    match shape:
        case Table(members):
            for name, member in members.items():
                yield f"{path}.{name}".lstrip("."), member
                yield from _members(member.shape, f"{path}.{name}")
        case Choice(_, tables):
            for name, table in tables.items():
                yield from _members(table, f"{path}.={name}")
        case Either(shapes):
            for one in shapes:
                yield from _members(one, path)
        case Listing(item) | Dictionary(item):
            yield from _members(item, f"{path}.*")


def _find(schema, names):
    """What the schema says of a path."""
    if not names:
        return schema
    options = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for option in options:
        inner = option.get("items") or option.get("additionalProperties") or None
        if names[0] == "*" and isinstance(inner, dict) and (found := _find(inner, names[1:])) is not None:
            return found
        if names[0].startswith("="):
            if option is not schema and any(
                kind.get("const") == names[0][1:] for kind in option["properties"].values()
            ):
                return _find(option, names[1:])
        elif names[0] in option.get("properties", {}):
            return _find(option["properties"][names[0]], names[1:])
    return None


def test_patterns_of_the_schema_are_patterns_of_json_schema_too():
    for pattern in re.findall(r'"pattern": ("(?:\\.|[^"\\])*")', json.dumps(schema_document())):
        assert re.compile(json.loads(pattern))
