"""What tests of plans share: jobs from a few lines, records, and a model of a target that carries plans out."""

from dataclasses import dataclass, field, replace

from headcount.provisioning.correlation import Question
from headcount.provisioning.desired import Evaluation
from headcount.provisioning.diff import make_plan, questions
from headcount.provisioning.job_files import load_job
from headcount.provisioning.links import Links, link_after, resolved
from headcount.provisioning.ordering import phases
from headcount.provisioning.plan import Action
from headcount.provisioning.records import RecordKind, SourceRecord, TargetRecord
from headcount.provisioning.situation import Situation
from headcount.provisioning.stepping import desired_resource
from headcount.provisioning.targets.paths import satisfies, written

PERSON, GROUP = RecordKind.PERSON, RecordKind.GROUP
NOW = "2026-01-31T08:00:00.000000Z"
EVERYBODY = frozenset(RecordKind)

HEAD = """
name: hr
tenant: acme
source: {type: csv, path: people.csv, key: id}
"""
MAPPINGS = """
mappings:
  userName: record.user_name
  name.familyName: record.family_name
  title: record.title
  urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: reference(record.manager)
"""
TARGET = """
targets:
  app: {type: scim, url: "https://app.example.com/scim/v2"}
"""


def job_of(more="", *, mappings=MAPPINGS, targets=TARGET):
    return load_job(HEAD + mappings + more + targets)


def person(key, **attributes):
    return SourceRecord(PERSON, key, {"user_name": key, **attributes})


def group(key, members=(), **attributes):
    return SourceRecord(GROUP, key, attributes, tuple(sorted(members)))


def desired_of(job, records, **finish):
    evaluation = Evaluation(job, today=NOW[:10])
    for record in records:
        evaluation.add(record)
    return evaluation.finish(**{"complete": EVERYBODY, **finish})


@dataclass
class Model:
    """A target that does what it is told at once, and its ledger."""

    users: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)
    """By id: (resource, ids of members)."""
    links: Links = field(default_factory=Links)
    _count: int = 0

    def situation(self, job, desired, **more):
        target = more.pop("target", None) or next(iter(job.targets.values()))
        situation = Situation(job, target, desired, self.links, more.pop("now", NOW), **more)
        while asked := questions(situation):
            answers = {question: self.find(question) for question in asked}
            situation = replace(situation, answers={**situation.answers, **answers})
        return situation

    def plan(self, job, desired, **more):
        return make_plan(self.situation(job, desired, **more))

    def find(self, question: Question):
        side = self.users if question.type == "User" else self.groups
        records = (TargetRecord(question.type, identifier, self._seen(side[identifier])) for identifier in side)
        return tuple(record for record in records if satisfies(record.resource, question.attribute, question.value))

    def _seen(self, entry):
        resource, members = entry
        return {**resource, **({"members": [{"value": one} for one in sorted(members)]} if members else {})}

    def put(self, resource, members=()):
        """Somebody is there whom nobody has provisioned."""
        self._count += 1
        identifier = f"id{self._count}"
        side = self.users if "userName" in resource else self.groups
        side[identifier] = ({"id": identifier, **resource}, set(members))
        return identifier

    def carry_out(self, plan, *, most=None):
        """The changes of a plan in their order, `most` of them at most; what a ledger keeps is kept."""
        changes = [change for phase in phases(plan.changes) for change in phase]
        for change in changes[:most]:
            self._carry_out(change, plan.made)

    def _carry_out(self, change, now):
        links = dict(self.links.of(change.kind))
        side = self.users if change.kind is PERSON else self.groups
        link = links.get(change.key)
        target_id = change.target_id or (link.target_id if link else "")
        ids = {key: found.target_id for key, found in self.links.persons.items()}
        if change.action is Action.CREATE:
            if link:
                return
            target_id = self.put(desired_resource(change, ids))
        elif change.action is Action.DELETE:
            side.pop(target_id, None)
        elif target_id in side:
            resource, members = side[target_id]
            for value in change.values:
                resource = written(resource, value.path, resolved(value.new, ids))
            side[target_id] = (resource, members)
        if target_id in side:
            self._change_members(side[target_id][1], change)
        answered = side[target_id][0] if target_id in side else None
        after = link_after(change, link, target_id=target_id, now=now, answered=answered, ids=ids)
        links.pop(change.key, None)
        if after:
            links[change.key] = after
        self.links = Links(links, self.links.groups) if change.kind is PERSON else Links(self.links.persons, links)

    def _change_members(self, members, change):
        def ids(keys):
            for key in keys:
                side = self.links.groups if key in change.nested else self.links.persons
                if key in side:
                    yield side[key].target_id

        members |= set(ids(change.added))
        members -= set(ids(change.removed))

    def state(self):
        """What the target has, by names instead of ids."""
        names = {identifier: resource.get("userName") for identifier, (resource, _) in self.users.items()}
        names |= {identifier: resource.get("displayName") for identifier, (resource, _) in self.groups.items()}
        users = {names[one]: self._named(resource, names) for one, (resource, _) in self.users.items()}
        groups = {names[one]: sorted(names.get(m, m) for m in members) for one, (_, members) in self.groups.items()}
        return users, groups

    def _named(self, value, names):
        if isinstance(value, dict):
            return {name: self._named(item, names) for name, item in value.items() if name != "id"}
        return names.get(value, value) if isinstance(value, str) else value


def did(plan):
    """(action, key) of all changes."""
    return [(str(change.action), change.key) for change in plan.changes]
