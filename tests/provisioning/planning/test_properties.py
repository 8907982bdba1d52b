"""Whatever the directory and however it changes: what is planned and carried out is what is desired, and is all."""

from hypothesis import given, settings
from hypothesis import strategies as st

from headcount.provisioning.plan import Action
from planning import GROUP, PERSON, Model, desired_of, did, group, job_of, person

GROUPS = """
groups: {from: source, mappings: {displayName: record.name}}
"""
JOB = job_of(GROUPS)
FLAT = job_of(GROUPS.replace("from: source", "from: source, nested: flatten"))
DELETING = job_of(GROUPS + "policies: {leaver: delete}\n")
UNIQUE = job_of(GROUPS, mappings="\nmappings:\n  userName: unique(record.family_name)\n  title: record.title\n")
JOBS = st.sampled_from([JOB, FLAT, DELETING, UNIQUE])

KEYS = [f"p{number}" for number in range(6)]
GROUP_KEYS = ["g1", "g2", "g3"]
PEOPLE = st.dictionaries(
    st.sampled_from(KEYS),
    st.fixed_dictionaries(
        {
            "family_name": st.sampled_from(["Ada", "Bo", "ada"]),
            "title": st.sampled_from(["", "Boss", "Engineer"]),
            "manager": st.sampled_from(["", *KEYS]),
        }
    ),
)
TEAMS = st.dictionaries(st.sampled_from(GROUP_KEYS), st.sets(st.sampled_from([*KEYS, *GROUP_KEYS])))
DIRECTORIES = st.tuples(PEOPLE, TEAMS)


def records_of(directory):
    people, teams = directory
    yield from (person(key, **attributes) for key, attributes in people.items())
    yield from (group(key, members, name=f"Group {key}") for key, members in teams.items())


def expected(job, directory):
    """Who is to be there and in which groups, by key, from the directory alone."""
    people, teams = directory

    def members(key, seen):
        for one in teams[key]:
            if one in people:
                yield one
            elif one in teams and job.targets["app"].nested == "flatten" and one not in seen:
                yield from members(one, {*seen, one})
            elif one in teams and job.targets["app"].nested == "keep":
                yield one

    groups = {
        key: set(members(key, {key})) - ({key} if job.targets["app"].nested == "flatten" else set()) for key in teams
    }
    titles = {key: attributes["title"] or None for key, attributes in people.items()}
    managers = {key: a["manager"] if a["manager"] in people else None for key, a in people.items()}
    return titles, managers, groups


def actual(job, model):
    """The same of the target, for those who are active."""
    keys = {link.target_id: key for key, link in [*model.links.persons.items(), *model.links.groups.items()]}
    active = {one: resource for one, (resource, _) in model.users.items() if resource["active"]}
    titles = {keys[one]: resource.get("title") for one, resource in active.items()}
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    managers = {
        keys[one]: keys.get(resource.get(urn, {}).get("manager", {}).get("value")) for one, resource in active.items()
    }
    groups = {
        keys[one]: {keys[member] for member in members if member in keys} for one, (_, members) in model.groups.items()
    }
    return titles, managers, groups


@settings(max_examples=60, deadline=None)
@given(JOBS, st.lists(DIRECTORIES, min_size=1, max_size=4))
def test_each_plan_makes_the_target_what_the_source_says_and_leaves_nothing_to_do(job, directories):
    model = Model()
    for directory in directories:
        desired = desired_of(job, records_of(directory))
        model.carry_out(model.plan(job, desired))
        titles, managers, groups = actual(job, model)
        wanted_titles, wanted_managers, wanted_groups = expected(job, directory)
        assert titles == wanted_titles
        assert groups == wanted_groups
        if job is not UNIQUE:
            for key, manager in wanted_managers.items():
                assert managers[key] == manager or directory[0][key]["manager"] not in directory[0]
        assert [one for one in did(model.plan(job, desired)) if one[0] != "park"] == []


@settings(max_examples=40, deadline=None)
@given(JOBS, DIRECTORIES, DIRECTORIES)
def test_applying_a_plan_twice_is_applying_it_once(job, before, after):
    model = Model()
    model.carry_out(model.plan(job, desired_of(job, records_of(before))))
    plan = model.plan(job, desired_of(job, records_of(after)))
    model.carry_out(plan)
    once = model.state()
    model.carry_out(plan)
    assert model.state() == once


@settings(max_examples=40, deadline=None)
@given(JOBS, DIRECTORIES, DIRECTORIES, st.integers(0, 20))
def test_a_plan_that_is_interrupted_anywhere_is_completed_by_the_next(job, before, after, most):
    model, whole = Model(), Model()
    for one in (model, whole):
        one.carry_out(one.plan(job, desired_of(job, records_of(before))))
    desired = desired_of(job, records_of(after))
    model.carry_out(model.plan(job, desired), most=most)
    model.carry_out(model.plan(job, desired))
    whole.carry_out(whole.plan(job, desired))
    assert [one for one in did(model.plan(job, desired)) if one[0] != "park"] == []
    assert actual(job, model) == actual(job, whole)
    assert len(model.users) == len(whole.users)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([JOB, FLAT]), DIRECTORIES, DIRECTORIES)
def test_what_changed_alone_comes_to_the_same_as_everything(job, before, after):
    """An incremental reading: people who differ, those who are gone by name, and groups by their own lists."""
    step, whole = Model(), Model()
    for one in (step, whole):
        one.carry_out(one.plan(job, desired_of(job, records_of(before))))
    whole.carry_out(whole.plan(job, desired_of(job, records_of(after))))
    changed = [
        record
        for record in records_of(after)
        if record.kind is GROUP or before[0].get(record.key) != after[0][record.key]
    ]
    gone = [(PERSON, key) for key in before[0] if key not in after[0]]
    model_desired = desired_of(job, changed, gone=gone, complete={GROUP})
    step.carry_out(step.plan(job, model_desired))
    assert actual(job, step)[0] == actual(job, whole)[0]
    assert actual(job, step)[2] == actual(job, whole)[2]


@settings(max_examples=30, deadline=None)
@given(DIRECTORIES, st.sets(st.sampled_from(KEYS)))
def test_nobody_is_touched_of_whom_nothing_could_be_read(directory, unread):
    model = Model()
    model.carry_out(model.plan(JOB, desired_of(JOB, records_of(directory))))
    people, teams = directory
    rest = ({key: value for key, value in people.items() if key not in unread}, teams)
    plan = model.plan(JOB, desired_of(JOB, records_of(rest), unread=unread))
    assert [change for change in plan.changes if change.kind is PERSON and change.action is not Action.PARK] == []


def test_a_plan_does_not_depend_on_the_order_of_the_records():
    records = [person(key, family_name="Ada", title="", manager="") for key in KEYS]
    plans = [Model().plan(UNIQUE, desired_of(UNIQUE, order)) for order in (records, records[::-1])]
    assert plans[0].changes == plans[1].changes
    assert [change.label for change in plans[0].changes] == ["Ada", "Ada2", "Ada3", "Ada4", "Ada5", "Ada6"]
