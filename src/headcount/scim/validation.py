"""A request body checked against a resource type and brought into canonical form (RFC 7644 §3.3, §3.5.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from headcount.scim import urns
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError, MutabilityError
from headcount.scim.paths import bind_path
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute, Json
from headcount.scim.unknown import Unknown
from headcount.scim.values import canonical_value

LEGACY_URNS: Final = {
    "urn:scim:schemas:core:1.0": "",
    "urn:scim:schemas:core:2.0": "",
    "urn:scim:schemas:core:2.0:user": urns.USER,
    "urn:scim:schemas:core:2.0:group": urns.GROUP,
    "urn:scim:schemas:extension:enterprise:1.0": urns.ENTERPRISE_USER,
    "urn:scim:schemas:extension:enterprise:2.0": urns.ENTERPRISE_USER,
}
"""URNs from before the RFC (Toleration.LEGACY_URNS); an empty one stands for the resource type's base schema."""


@dataclass(frozen=True, slots=True)
class ValidResource:
    """A body in canonical form."""

    resource: dict[str, Json]
    """`schemas` and every assigned attribute that may be returned, in declared spelling and order."""
    private: dict[str, Json] = field(default_factory=dict)
    """Attributes that are never returned, by qualified path: `password`."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What was ignored because no schema has it: types by path."""


def validate_resource(
    body: Json, resource_type: ResourceType, profile: Profile, *, refuse_unknown: bool = False, is_complete: bool = True
) -> ValidResource:
    """The body of a create or replace request; what a client may not set is ignored (RFC 7644 §3.3).

    What is required has to be there, unless the body is yet to be completed.

    Raises InvalidSyntaxError for a wrong structure, InvalidValueError naming the attribute for a wrong value.
    """
    if not isinstance(body, dict):
        raise InvalidSyntaxError("The body must be a JSON object.")
    reading = _Reading(resource_type, profile, refuse_unknown)
    for key, value in body.items():
        reading.member(key, value)
    for key, value in reading.rest.items():
        reading.bare(key, value)
    reading.check_schemas()
    resource = arrange(reading.found, resource_type)
    if is_complete:
        check_required(resource, resource_type)
    return ValidResource(resource, reading.private, reading.unknown.found)


def arrange(found: Mapping[str, Json], resource_type: ResourceType) -> dict[str, Json]:
    """A canonical resource: the declared order, nothing unassigned, `schemas` as the content says (RFC 7643 §3).

    What was written while its attribute was taken from the schema goes.
    """
    schemas = [resource_type.schema.id]
    resource: dict[str, Json] = {"schemas": schemas}
    for name in resource_type.attribute_order:
        value = found.get(name)
        if value is not None:
            resource[name] = value
    for extension in resource_type.extensions:
        urn = extension.schema.id
        values = found.get(urn)
        if values:
            known = extension.schema.by_name
            values = {name: value for name, value in values.items() if value is not None and name in known}
            if values:
                schemas.append(urn)
                resource[urn] = values
    for urn, attribute in resource_type.half_secret_attributes:
        _forget_secrets(resource.get(urn, {}) if urn else resource, attribute)
    return resource


def _forget_secrets(holder: dict[str, Json], attribute: Attribute) -> None:
    """Sub-attributes that are never returned are checked and not kept: no answer, filter or log could hold them."""
    value = holder.get(attribute.name)
    if isinstance(value, list):
        holder[attribute.name] = [_without_secrets(element, attribute) for element in value]
    elif value is not None:
        holder[attribute.name] = _without_secrets(value, attribute)


def _without_secrets(value: Mapping[str, Json], attribute: Attribute) -> dict[str, Json]:
    return {name: item for name, item in value.items() if not attribute.by_name[name].is_secret}


def check_required(resource: Mapping[str, Json], resource_type: ResourceType) -> None:
    """Raises InvalidValueError when a required attribute or extension has no value (RFC 7643 §6, §7)."""
    for attribute in resource_type.required_attributes:
        if resource.get(attribute.name) in (None, ""):
            raise InvalidValueError(f"'{attribute.name}' is required and must not be empty.")
    for extension in resource_type.extensions:
        values = resource.get(extension.schema.id)
        if values is None:
            if extension.required:
                raise InvalidValueError(f"The extension {extension.schema.id} is required.")
            continue
        for attribute in extension.schema.attributes:
            if attribute.required and values.get(attribute.name) in (None, ""):
                raise InvalidValueError(f"'{extension.schema.id}:{attribute.name}' is required.")


def check_replacement(current: Mapping[str, Json], new: dict[str, Json], resource_type: ResourceType) -> None:
    """Completes a replacement: what is immutable and left out stays, and must not differ (RFC 7644 §3.5.1).

    Changes `new`; raises MutabilityError when it sets an immutable attribute to another value.
    """
    for urn, attributes in resource_type.fixed_attributes:
        before = current.get(urn, {}) if urn else current
        after = new.get(urn, {}) if urn else new
        for attribute in attributes:
            kept = before.get(attribute.name)
            if kept is None:
                continue
            if after.get(attribute.name, kept) != kept:
                raise MutabilityError(f"'{attribute.name}' is immutable and has a value.")
            if urn and urn not in new:
                new[urn] = after = {}
                new["schemas"] = [*new["schemas"], urn]
            after[attribute.name] = kept


class _Reading:
    """One pass over the members of a body."""

    __slots__ = ("found", "kind", "private", "profile", "refuse_unknown", "rest", "schemas", "unknown")

    def __init__(self, resource_type: ResourceType, profile: Profile, refuse_unknown: bool) -> None:  # noqa: FBT001
        self.kind = resource_type
        self.profile = profile
        self.refuse_unknown = refuse_unknown
        self.schemas: Json = None
        self.found: dict[str, Json] = {}
        self.private: dict[str, Json] = {}
        self.rest: dict[str, Json] = {}
        self.unknown = Unknown(refuse=refuse_unknown)

    def member(self, key: str, value: Json) -> None:
        """One member of the body: an attribute, an extension, or something else."""
        attribute = self.kind.attributes.get(key) or self.kind.attributes.get(key.lower())
        if attribute is None:
            self.other(key, value)
        elif attribute.name == "schemas":
            if self.schemas is not None:
                raise _repeated(key)
            self.schemas = value
        elif not attribute.is_read_only:
            self.assign(self.found, attribute, key, value)

    def assign(self, into: dict[str, Json], attribute: Attribute, key: str, value: Json, urn: str = "") -> None:
        """Checks a value and keeps it, a secret apart from the rest."""
        if attribute.name in into:
            raise _repeated(key)
        if attribute.is_plain and type(value) is str:  # most are
            into[attribute.name] = value
            return
        checked = canonical_value(attribute, value, self.profile, f"{urn}:" if urn else "")
        if attribute.is_complex:
            self.unknown.parts(attribute, value, urn)
        if attribute.is_secret:
            self.private[f"{urn}:{attribute.name}" if urn else attribute.name] = checked
        else:
            into[attribute.name] = checked

    def other(self, key: str, value: Json) -> None:
        """An extension object, a qualified or dotted name, or something that the schemas do not have."""
        urn = self.urn_of(key)
        if urn == self.kind.schema.id and isinstance(value, dict):
            for name, item in value.items():
                self.member(name, item)
        elif urn is not None and urn != self.kind.schema.id:
            self.extension(urn, value)
        elif not self.path(key, value):
            self.rest[key] = value

    def urn_of(self, text: str) -> str | None:
        """The declared spelling of a schema of the resource type."""
        folded = text.lower()
        urn = self.kind.urn_by_fold.get(folded)
        if urn is None and folded in LEGACY_URNS and self.profile.tolerates(Toleration.LEGACY_URNS):
            urn = self.kind.urn_by_fold.get(
                LEGACY_URNS[folded].lower(), None if LEGACY_URNS[folded] else self.kind.schema.id
            )
        return urn

    def extension(self, urn: str, value: Json) -> None:
        """The object of an extension (RFC 7643 §3.3)."""
        if value is None or value == []:
            return
        if not isinstance(value, dict):
            raise InvalidValueError(f"{urn} must be an object.")
        schema = self.kind.extension_by_urn[urn.lower()].schema
        into = self.found.setdefault(urn, {})
        for key, item in value.items():
            attribute = schema.by_name.get(key) or schema.by_name.get(key.lower())
            if attribute is None:
                self.unknown.member(key, item, urn, urn)
            elif not attribute.is_read_only:
                self.assign(into, attribute, key, item, urn)

    def path(self, key: str, value: Json) -> bool:
        """A key that is a path, `name.givenName` or `urn:…:User:department`; whether it was one."""
        if not self.profile.tolerates(Toleration.DOTTED_KEYS) or not ("." in key or ":" in key):
            return False
        path = bind_path(key, self.kind)
        if path is None or path.attribute.is_read_only:
            return path is not None
        if path.sub_attribute is None:
            into = self.found.setdefault(path.extension, {}) if path.extension else self.found
            self.assign(into, path.attribute, key, value, path.extension or "")
        elif not path.attribute.multi_valued:
            into = self.found.setdefault(path.extension, {}) if path.extension else self.found
            whole = dict(into.pop(path.attribute.name, None) or {})
            if path.sub_attribute.name in whole:
                raise _repeated(key)
            self.assign(into, path.attribute, key, {**whole, path.sub_attribute.name: value}, path.extension or "")
        return True

    def bare(self, key: str, value: Json) -> None:
        """An attribute of an extension without its URN, unless the extension itself has it, or nothing known."""
        is_bare = ":" not in key and self.profile.tolerates(Toleration.BARE_EXTENSION_NAMES)
        path = bind_path(key, self.kind, bare_extension_names=True) if is_bare else None
        if path is not None and path.extension is not None and path.sub_attribute is None:
            into = self.found.setdefault(path.extension, {})
            if path.attribute.name not in into and not path.attribute.is_read_only:
                self.assign(into, path.attribute, key, value, path.extension)
        else:
            self.unknown.member(key, value, self.kind.name)

    def check_schemas(self) -> None:
        """`schemas` is a non-empty array of URIs that the resource type has (RFC 7643 §3)."""
        if not self.schemas:
            if not self.profile.tolerates(Toleration.MISSING_SCHEMAS):
                raise InvalidSyntaxError(f"'schemas' must be a non-empty array that holds {self.kind.schema.id}.")
            return
        if not isinstance(self.schemas, list) or not all(isinstance(urn, str) for urn in self.schemas):
            raise InvalidSyntaxError("'schemas' must be an array of strings.")
        if self.profile.tolerates(Toleration.UNKNOWN_URNS) and not self.refuse_unknown:
            return
        for urn in self.schemas:
            if self.urn_of(urn) is None:
                raise InvalidValueError(f"{urn} is not a schema of {self.kind.name}.")


def _repeated(key: str) -> InvalidSyntaxError:
    """Names that differ in case only are the same name (RFC 7643 §2.1)."""
    return InvalidSyntaxError(f"'{key}' stands more than once in the body.")
