"""PATCH operations applied to a resource, in order, each to the result of the one before (RFC 7644 §3.5.2).

Nothing that is passed in is changed: what an operation touches is copied first. The first operation that cannot be
carried out raises, so that all or nothing happens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headcount.scim.errors import (
    InvalidFilterError,
    InvalidPathError,
    InvalidSyntaxError,
    InvalidValueError,
    MutabilityError,
)
from headcount.scim.filters.grammar import parse_patch_path
from headcount.scim.filters.syntax import Filter
from headcount.scim.patch.elements import ElementsPatch, is_equal
from headcount.scim.patch.members import MembershipDelta, MembersPatch
from headcount.scim.patch.operations import Op, PatchOperation
from headcount.scim.patch.permitted import check_operation, check_whole_schema
from headcount.scim.paths import BoundPath, bind_path, split_urn
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute, Json, Mutability
from headcount.scim.scopes import Permission
from headcount.scim.unknown import Unknown, unknown_target
from headcount.scim.validation import arrange
from headcount.scim.values import canonical_value


@dataclass(frozen=True, slots=True)
class PatchResult:
    """What a PATCH makes of a resource."""

    resource: dict[str, Json]
    """In canonical form; equal to the resource before when nothing changed."""
    members: MembershipDelta | None = None
    private: Mapping[str, Json] = field(default_factory=dict)
    """Attributes that are never returned and were set, by qualified path; None for a removed one."""
    named: Sequence[str] = ()
    """Paths of the attributes that the operations named."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What was ignored because no schema has it: types by path."""


def apply_patch(
    resource: Mapping[str, Json],
    operations: Sequence[PatchOperation],
    resource_type: ResourceType,
    profile: Profile,
    *,
    members: Sequence[Mapping[str, Json]] | None = None,
    refuse_unknown: bool = False,
    permission: Permission | None = None,
) -> PatchResult:
    """The resource with all operations applied; raises the ScimError of the first that fails.

    `members` of a group are no part of `resource`. Raises MembersNeededError when an operation depends on who is a
    member and `members` was not given. A permission says what may be written, and what filters may look at.
    """
    application = _Application(resource, resource_type, profile, members, refuse_unknown, permission)
    for operation in operations:
        application.apply(operation)
    delta = application.members.delta if application.members else None
    return PatchResult(
        arrange(application.resource, resource_type),
        delta,
        application.private,
        tuple(application.named),
        application.unknown.found,
    )


class _Application:
    """The state between operations."""

    __slots__ = (
        "_known_members",
        "kind",
        "members",
        "named",
        "permission",
        "private",
        "profile",
        "resource",
        "unknown",
    )

    def __init__(
        self,
        resource: Mapping[str, Json],
        resource_type: ResourceType,
        profile: Profile,
        members: Sequence[Mapping[str, Json]] | None,
        refuse_unknown: bool,  # noqa: FBT001
        permission: Permission | None,
    ) -> None:
        self.resource = dict(resource)
        self.kind = resource_type
        self.profile = profile
        self.permission = permission
        self.private: dict[str, Json] = {}
        self.named: list[str] = []
        self.unknown = Unknown(refuse=refuse_unknown)
        self.members: MembersPatch | None = None
        self._known_members = members

    def apply(self, operation: PatchOperation) -> None:
        """One operation."""
        if operation.path is None:
            self.pathless(operation.op, operation.value)
        else:
            self.at_path(operation.op, operation.path, operation.value)

    def pathless(self, op: Op, value: Json) -> None:
        """Each member of the value is an operation on the attribute that it names."""
        if not isinstance(value, dict):
            raise InvalidValueError("An operation without a path needs an object as its value.")
        for key, item in value.items():
            self.member(op, key, item)

    def member(self, op: Op, key: str, value: Json) -> None:
        """One member of a path-less value."""
        urn, rest = split_urn(key, self.kind)
        if urn is not None and not rest:
            self.whole_schema(op, urn, value)
            return
        bare = self.profile.tolerates(Toleration.BARE_EXTENSION_NAMES)
        path = bind_path(key, self.kind, bare_extension_names=bare)
        if path is not None and (path.sub_attribute is None or self.profile.tolerates(Toleration.DOTTED_KEYS)):
            if not self.is_ignored(path.attribute, value):
                self.target(op, path, None, value)
        elif "[" in key and self.profile.tolerates(Toleration.DOTTED_KEYS):
            self.at_path(op, key, value)
        else:
            self.unknown.member(key, value, self.kind.name)

    def is_ignored(self, attribute: Attribute, value: Json) -> bool:
        """Whether a member of a path-less value that cannot be changed is passed over."""
        if attribute.name == "schemas":
            self.schemas(Op.ADD, value)
            return True
        if not attribute.is_read_only:
            return False
        if attribute.name == "meta" or self.profile.tolerates(Toleration.IGNORED_READ_ONLY):
            return True
        return attribute.name == "id" and value == self.resource.get("id")

    def at_path(self, op: Op, text: str, value: Json) -> None:
        """An operation with a path."""
        urn, rest = split_urn(text, self.kind)
        if urn is not None and not rest:
            self.whole_schema(op, urn, value)
            return
        parsed = parse_patch_path(text)
        bare = self.profile.tolerates(Toleration.BARE_EXTENSION_NAMES)
        path = bind_path(parsed.path, self.kind, bare_extension_names=bare)
        if path is not None and parsed.filter is not None and path.sub_attribute is not None:
            raise InvalidFilterError(f"'{path}' is a sub-attribute; a filter in brackets stands behind the attribute.")
        if path is not None and parsed.sub_attribute is not None:
            sub_attribute = path.attribute.sub(parsed.sub_attribute)
            path = BoundPath(path.extension, path.attribute, sub_attribute) if sub_attribute else None
        if path is None:
            aimed = unknown_target(parsed.path, parsed.sub_attribute, value, is_filtered=parsed.filter is not None)
            refusal = f"'{text}' is not an attribute of {self.kind.name}."
            raise InvalidPathError(refusal, unknown=self.unknown.found | aimed)
        if path.attribute.name == "schemas" and path.extension is None:
            self.schemas(op, value)
        else:
            self.target(op, path, parsed.filter, value)

    def whole_schema(self, op: Op, urn: str, value: Json) -> None:
        """An extension, or the base schema, as a whole: outside the RFC's grammar, and evident."""
        if urn == self.kind.schema.id:
            self.pathless(op, value)
            return
        schema = self.kind.extension_by_urn[urn.lower()].schema
        if op is Op.REMOVE or value is None:
            if self.permission is not None:
                check_whole_schema(self.permission, schema)
            for name in [name for name in self.resource.get(urn, ()) if name in schema.by_name]:
                self.target(Op.REMOVE, BoundPath(urn, schema.by_name[name]), None, None)
            return
        if not isinstance(value, dict):
            raise InvalidValueError(f"{urn} must be an object.")
        for key, item in value.items():
            path = bind_path(f"{urn}:{key}", self.kind)
            if path is not None:
                self.target(op, path, None, item)
            else:
                self.unknown.member(key, item, urn, urn)

    def schemas(self, op: Op, value: Json) -> None:
        """`schemas` follows from the content: naming a URN changes nothing, removing one removes what it holds."""
        named = value if isinstance(value, list) else [value]
        known = [self.kind.urn_by_fold.get(urn.lower()) for urn in named if isinstance(urn, str)]
        if op is not Op.REMOVE:
            if (None in known or len(known) < len(named)) and not self.profile.tolerates(Toleration.UNKNOWN_URNS):
                raise InvalidValueError(f"'schemas' names what is no schema of {self.kind.name}.")
            return
        if value is None or self.kind.schema.id in known:
            raise MutabilityError("The base schema cannot be removed.")
        for urn in known:
            if urn is not None:
                self.whole_schema(Op.REMOVE, urn, None)

    def target(self, op: Op, path: BoundPath, value_filter: Filter | None, value: Json) -> None:
        """An operation on a known attribute."""
        attribute = path.attribute
        self.named.append(path.of_attribute)
        if attribute.is_read_only or path.target.is_read_only:
            raise MutabilityError(f"'{path}' is read-only.")
        if value_filter is not None and not attribute.multi_valued:
            raise InvalidFilterError(f"'{path}' is not multi-valued; a filter in brackets needs one that is.")
        if self.permission is not None:
            check_operation(self.permission, op, path, value_filter, value, self.profile)
        if attribute.is_complex and path.sub_attribute is None and op is not Op.REMOVE:
            self.unknown.parts(attribute, value, path.extension or "")
        if op is Op.ADD and value is None:  # null is no value, and adds nothing: RFC 7643 §2.5
            return
        if path.extension is None and self.kind.keeps_members and attribute.name == "members":
            sub_name = path.sub_attribute.name if path.sub_attribute else None
            if self.members is None:
                self.members = MembersPatch(BoundPath(None, attribute), self.profile, self._known_members)
            self.members.apply(op, value_filter, sub_name, value)
        elif attribute.is_secret:
            self.secret(op, path, value)
        elif attribute.multi_valued:
            self.elements(op, path, value_filter, value)
        else:
            self.singular(op, path, value)

    def secret(self, op: Op, path: BoundPath, value: Json) -> None:
        """An attribute that is never returned is kept apart."""
        kept = None if op is Op.REMOVE else canonical_value(path.attribute, value, self.profile)
        if kept is None and path.attribute.required:
            raise MutabilityError(f"'{path}' is required.")
        self.private[path.of_attribute] = kept

    def elements(self, op: Op, path: BoundPath, value_filter: Filter | None, value: Json) -> None:
        """A multi-valued attribute."""
        holder = self.holder(path)
        before = holder.get(path.attribute.name) or []
        after = ElementsPatch(path, self.profile, before).apply(op, value_filter, value)
        if not after and before and path.attribute.required:
            raise MutabilityError(f"'{path.attribute.name}' is required.")
        if path.attribute.mutability is Mutability.IMMUTABLE and before and after != before:
            raise MutabilityError(f"'{path.attribute.name}' is immutable and has a value.")
        holder[path.attribute.name] = after or None

    def singular(self, op: Op, path: BoundPath, value: Json) -> None:
        """A singular attribute, or a sub-attribute of a complex one."""
        holder = self.holder(path)
        attribute, sub, current = path.attribute, path.sub_attribute, holder.get(path.attribute.name)
        present = current if sub is None else (current or {}).get(sub.name)
        if op is Op.REMOVE and value is not None and not is_equal(path.target, present, value, self.profile):
            return
        if sub is not None:
            changed = self.complex(op, attribute, current or {}, {sub.name: value})
        elif op is Op.REMOVE:
            changed = None
        elif attribute.is_complex:
            changed = self.merged(op, attribute, current, value)
        else:
            changed = canonical_value(attribute, value, self.profile)
            if changed is None and op is Op.ADD:
                return
        self.guard(attribute, current, changed)
        holder[attribute.name] = changed

    def merged(self, op: Op, attribute: Attribute, current: Json, value: Json) -> Json:
        """A complex value: what is not named stays (RFC 7644 §3.5.2.3)."""
        if isinstance(value, list) and len(value) == 1 and self.profile.tolerates(Toleration.OBJECT_FOR_LIST):
            value = value[0]
        if isinstance(value, dict):
            return self.complex(op, attribute, current or {}, value)
        changed = canonical_value(attribute, value, self.profile)
        if changed is None:
            return current if op is Op.ADD else None
        return {**(current or {}), **changed}

    def complex(self, op: Op, attribute: Attribute, current: Mapping[str, Json], value: Mapping[str, Json]) -> Json:
        """A complex value with some sub-attributes set, or unassigned by null."""
        named = self.spelled(attribute, value)
        given = {} if op is Op.REMOVE else {name: item for name, item in named.items() if item not in (None, [])}
        gone = frozenset[str]() if op is Op.ADD else named.keys() - given.keys()
        for name in gone & current.keys():
            if attribute.by_name[name].required:
                raise MutabilityError(f"'{attribute.name}.{name}' is required.")
        changed = {name: item for name, item in current.items() if name not in gone}
        if given:
            if attribute.is_reference_to_resource and "$ref" in given and "value" not in given:
                changed.pop("value", None)  # another resource is referred to, by its URI alone
            changed = canonical_value(attribute, changed | given, self.profile) or {}
        if op is Op.ADD:
            changed = {**current, **changed}
        for sub in attribute.sub_attributes:
            is_fixed = sub.mutability is Mutability.IMMUTABLE and sub.name in current
            if is_fixed and changed.get(sub.name) != current[sub.name]:
                raise MutabilityError(f"'{attribute.name}.{sub.name}' is immutable and has a value.")
        return changed or None

    def spelled(self, attribute: Attribute, value: Mapping[str, Json]) -> dict[str, Json]:
        """The members of a complex value in declared spelling, without those that the attribute does not have."""
        spelled: dict[str, Json] = {}
        for name, item in value.items():
            sub = attribute.sub(name)
            if sub is None:
                continue
            if sub.name in spelled:
                raise InvalidSyntaxError(f"'{name}' stands more than once.")
            spelled[sub.name] = item
        return spelled

    def guard(self, attribute: Attribute, current: Json, changed: Json) -> None:
        """What is required stays, what is immutable does not change (RFC 7644 §3.5.2.2, RFC 7643 §7)."""
        if changed is None and attribute.required:
            raise MutabilityError(f"'{attribute.name}' is required and cannot be removed.")
        if attribute.mutability is Mutability.IMMUTABLE and current is not None and changed != current:
            raise MutabilityError(f"'{attribute.name}' is immutable and has a value.")

    def holder(self, path: BoundPath) -> dict[str, Json]:
        """The object that holds the attribute, copied so that it can be changed."""
        if path.extension is None:
            return self.resource
        copy = dict(self.resource.get(path.extension) or {})
        self.resource[path.extension] = copy
        return copy
