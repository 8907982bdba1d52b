"""Plans for people, and as JSON and back."""

from dataclasses import replace

import orjson
import pytest

from headcount.provisioning.guard import guard
from headcount.provisioning.plan_json import pieces_of, plan_from_json, plan_to_json
from headcount.provisioning.rendering import render, totals
from planning import Model, desired_of, group, job_of, person

JOB = job_of(
    """groups: {from: source, mappings: {displayName: record.name}}
policies: {guard: {deactivate: {number: 0}}}
"""
)


def plan():
    model = Model()
    before = [person("ada", title="Engineer"), person("bo"), person("cy"), group("g", ["ada", "cy"], name="Team")]
    model.carry_out(model.plan(JOB, desired_of(JOB, before)))
    model.put({"userName": "dee", "displayName": "Dee"})
    model.put({"userName": "dee"})
    after = [
        person("ada", title="Boss", family_name="Love\x1b[31m"),
        person("cy"),
        person("dee"),
        person("eve", manager="ada"),
        person("fay", user_name=""),
        group("g", ["cy", "eve"], name="Team"),
    ]
    made = model.plan(JOB, desired_of(JOB, after))
    return replace(guard(made, JOB.targets["app"], ()), requests=4, seconds=75.0)


RENDERED = """\
Plan for hr → app, made 2026-01-31T08:00:00Z, good until 2026-02-01T08:00:00Z

  ~ update     ada   (changed: name.familyName, title)
      name.familyName = "Love\\u001b[31m"
      title           : "Engineer" → "Boss"
  + create     eve   (joined: no account, in scope)
      active     = true
      externalId = "eve"
"""


def test_a_plan_reads_like_what_will_happen():
    text = render(plan())
    assert text.startswith(RENDERED)
    assert "manager = person ada" in text
    assert "  ? review     dee   (several accounts match: userName → id5; userName → id6)\n      candidate {" in text
    assert "  * park       fay   (no userName is left, or the mapping gives none)" in text
    assert "      + members eve\n      - members ada\n" in text
    assert (
        "Held: 1 to deactivate is more than 0 in 24 h\n  ! deactivate bo   (left: not in the source any more)" in text
    )
    assert "\x1b" not in text


def test_the_totals_come_last():
    expected = (
        "Plan: 1 to create, 1 to update, 1 memberships to change, 1 to review, 1 parked; 1 unchanged. "
        "4 requests, about 1 min 15 s at the target's limits. 1 held."
    )
    assert render(plan()).rstrip().splitlines()[-1] == totals(plan()) == expected


def test_a_plan_that_has_nothing_to_do_says_so():
    model = Model()
    model.carry_out(model.plan(JOB, desired_of(JOB, [person("ada")])))
    assert totals(model.plan(JOB, desired_of(JOB, [person("ada")]))) == "Plan: nothing to do; 1 unchanged."


@pytest.mark.parametrize(("most", "line"), [(1, "  … and 4 more"), (0, "  … and 5 more")])
def test_a_long_plan_can_be_cut(most, line):
    text = render(plan(), most=most)
    assert line in text.splitlines()


def test_a_plan_comes_back_from_json_as_it_was():
    assert plan_from_json(plan_to_json(plan())) == plan()


def test_a_plan_is_written_in_pieces_that_are_its_json():
    made = plan()
    pieces = list(pieces_of({"plan": made, "empty": [{}, []], "rest": (1, None)}))
    assert orjson.loads(b"".join(pieces)) == {
        "plan": orjson.loads(plan_to_json(made)),
        "empty": [{}, []],
        "rest": [1, None],
    }
    assert max(map(len, pieces)) < 2_000


def test_no_change_is_in_the_representation_of_a_plan():
    assert len(repr(plan())) < 500


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"held": 1}', plan_to_json(plan()).replace(b'"create"', b'"crate"')]
)
def test_what_is_no_plan_is_refused(document):
    with pytest.raises(ValueError, match="no saved plan"):
        plan_from_json(document)
