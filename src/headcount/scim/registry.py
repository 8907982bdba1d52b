"""Resource types and the registry of what a tenant knows (RFC 7643 §6).

A registry is an immutable value, compiled once from the built-in definitions and a tenant's own documents.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from headcount.scim import definitions, urns
from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import (
    Attribute,
    Json,
    Mutability,
    Returned,
    Schema,
    Uniqueness,
    look_up,
    schema_from_document,
)


@dataclass(frozen=True, slots=True)
class SchemaExtension:
    """An extension of a resource type's base schema."""

    schema: Schema
    required: bool = False


@dataclass(frozen=True, slots=True)
class ValueIndex:
    """An attribute whose values a tenant wants resources to be found by quickly."""

    path: str
    """Qualified: `title`, `urn:example:badge:2.0:User:number`, `phoneNumbers.value`."""
    is_complete: bool = True
    """Whether every resource is in it; until then writes keep it, and searches do without."""
    is_unique: bool = False
    """Whether it holds the values of an attribute that became unique while resources had it."""
    leads_to_few: bool = False
    """Whether few resources share a value, whatever the tenant."""


@dataclass(frozen=True, slots=True)
class IndexedAttribute:
    """An index bound to the attribute that it is of."""

    index: ValueIndex
    extension: str
    """The URN of the extension; empty for base attributes."""
    attribute: Attribute
    sub_attribute: Attribute | None = None

    @property
    def target(self) -> Attribute:
        """What the values are values of."""
        return self.sub_attribute or self.attribute

    @property
    def has_one_value_each(self) -> bool:
        """Whether every element has one simple value."""
        return not self.target.is_complex and not (self.sub_attribute and self.sub_attribute.multi_valued)

    @property
    def serves_searches(self) -> bool:
        """Whether it leads to all resources with a value."""
        return self.index.is_complete and not self.index.is_unique


ALWAYS_INDEXED: Final[Mapping[str, tuple[ValueIndex, ...]]] = {
    urns.USER: (ValueIndex("emails.value", leads_to_few=True),)
}
"""By base schema: what clients look for wherever they come from."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resource: its endpoint, base schema and extensions (RFC 7643 §6)."""

    name: str
    endpoint: str
    """Begins with a slash: `/Users`."""
    description: str
    schema: Schema
    extensions: tuple[SchemaExtension, ...] = ()
    indexes: tuple[ValueIndex, ...] = ()
    """What the tenant declared as indexed, beyond `ALWAYS_INDEXED`."""
    attributes: Mapping[str, Attribute] = field(init=False, repr=False, compare=False)
    """Common and base attributes by folded and by declared name."""
    extension_by_urn: Mapping[str, SchemaExtension] = field(init=False, repr=False, compare=False)
    """Extensions by folded URN."""
    urn_by_fold: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """Declared spelling of the base and extension URNs, by folded URN."""
    attribute_order: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Names of common and base attributes in the order of a canonical resource, `schemas` apart."""
    required_attributes: tuple[Attribute, ...] = field(init=False, repr=False, compare=False)
    """Base attributes that a client must supply."""
    fixed_attributes: tuple[tuple[str, tuple[Attribute, ...]], ...] = field(init=False, repr=False, compare=False)
    """Attributes that are immutable or read-only, by extension URN; the base schema's under the empty one."""
    unique_attributes: tuple[tuple[Schema, Attribute, Attribute | None], ...] = field(
        init=False, repr=False, compare=False
    )
    """(schema, attribute, sub-attribute) of everything singular with uniqueness server or global."""
    indexed: Mapping[str, IndexedAttribute] = field(init=False, repr=False, compare=False)
    """What has an index of its values, by path."""
    key_attributes: frozenset[str] = field(init=False, repr=False, compare=False)
    """Names of attributes and URNs of extensions that hold the externalId, unique and indexed values."""
    is_verbatim: bool = field(init=False, repr=False, compare=False)
    """Whether a stored document is returned as it is when no projection is asked for."""

    half_secret_attributes: tuple[tuple[str, Attribute], ...] = field(init=False, repr=False, compare=False)
    """(extension URN or "", attribute) of those with a sub-attribute that is never returned."""

    def __post_init__(self) -> None:
        common = look_up(definitions.COMMON)
        object.__setattr__(self, "attributes", {**self.schema.by_name, **common})  # common ones win: RFC 7643 §3.1
        extensions = {extension.schema.id.lower(): extension for extension in self.extensions}
        object.__setattr__(self, "extension_by_urn", extensions)
        known = [self.schema.id, *(extension.schema.id for extension in self.extensions)]
        object.__setattr__(self, "urn_by_fold", {urn.lower(): urn for urn in known})
        names = ("id", "externalId", *(attribute.name for attribute in self.schema.attributes))
        object.__setattr__(self, "attribute_order", tuple(dict.fromkeys(names)))
        required = tuple(filter(_is_demanded, self.schema.attributes))
        object.__setattr__(self, "required_attributes", required)
        parts = [("", self.schema), *((extension.schema.id, extension.schema) for extension in self.extensions)]
        immutable = ((urn, tuple(filter(_is_fixed, schema.attributes))) for urn, schema in parts)
        object.__setattr__(self, "fixed_attributes", tuple(pair for pair in immutable if pair[1]))
        object.__setattr__(self, "unique_attributes", tuple(_unique_attributes(schema for _, schema in parts)))
        secret = ((urn, attribute) for urn, schema in parts for attribute in schema.attributes)
        object.__setattr__(
            self,
            "half_secret_attributes",
            tuple(pair for pair in secret if any(sub.is_secret for sub in pair[1].sub_attributes)),
        )
        object.__setattr__(self, "is_verbatim", all(_is_verbatim(schema) for _, schema in parts))
        indexes = (*ALWAYS_INDEXED.get(self.schema.id, ()), *self.indexes)
        bound = ((index.path, _indexed(index, parts)) for index in indexes)
        indexed = {path: found for path, found in bound if found is not None}
        object.__setattr__(self, "indexed", indexed)
        unique = self.unique_attributes
        holders = [one.extension or one.attribute.name for one in indexed.values()]
        holders += [attribute.name if schema is self.schema else schema.id for schema, attribute, _ in unique]
        object.__setattr__(self, "key_attributes", frozenset(("externalId", *holders)))

    @property
    def keeps_members(self) -> bool:
        """Whether `members` are kept as membership rows, outside the document."""
        return self.schema.id == urns.GROUP

    @property
    def derives_groups(self) -> bool:
        """Whether `groups` are derived from the memberships."""
        return self.schema.id == urns.USER

    def document(self) -> dict[str, Json]:
        """The ResourceType resource, without `meta`."""
        return {
            "schemas": [urns.RESOURCE_TYPE],
            "id": self.name,
            "name": self.name,
            "endpoint": self.endpoint,
            "description": self.description,
            "schema": self.schema.id,
            "schemaExtensions": [
                {"schema": extension.schema.id, "required": extension.required} for extension in self.extensions
            ],
        }


def _unique_attributes(schemas: Iterable[Schema]) -> Iterator[tuple[Schema, Attribute, Attribute | None]]:
    for schema in schemas:
        for attribute in schema.attributes:
            if attribute.multi_valued:
                continue
            if attribute.uniqueness is not Uniqueness.NONE and not attribute.is_complex:
                yield schema, attribute, None
            for sub in attribute.sub_attributes:
                if sub.uniqueness is not Uniqueness.NONE and not sub.multi_valued:
                    yield schema, attribute, sub


def _indexed(index: ValueIndex, parts: Sequence[tuple[str, Schema]]) -> IndexedAttribute | None:
    """The attribute of an index; None for one that was left behind by its attribute, or no longer fits it."""
    for urn, schema in reversed(parts):  # the base schema, whose names are not qualified, comes last
        if urn and not index.path.startswith(f"{urn}:"):
            continue
        name, _, sub_name = index.path[len(urn) + bool(urn) :].partition(".")
        attribute = schema.by_name.get(name)
        sub_attribute = attribute.sub(sub_name) if attribute and sub_name else None
        if attribute is not None and bool(sub_name) == (sub_attribute is not None):
            found = IndexedAttribute(index, urn, attribute, sub_attribute)
            return found if found.has_one_value_each else None
    return None


def _is_demanded(attribute: Attribute) -> bool:
    return attribute.required and attribute.mutability is not Mutability.READ_ONLY


def _is_fixed(attribute: Attribute) -> bool:
    return attribute.mutability in (Mutability.IMMUTABLE, Mutability.READ_ONLY)


def _is_verbatim(schema: Schema) -> bool:
    """Attributes that are never returned are kept apart from the document, their sub-attributes are not."""
    return not any(
        attribute.returned is Returned.REQUEST
        or any(sub.returned in (Returned.REQUEST, Returned.NEVER) for sub in attribute.sub_attributes)
        for attribute in schema.attributes
    )


USER: Final = ResourceType(
    "User", "/Users", "User Account", definitions.USER, (SchemaExtension(definitions.ENTERPRISE_USER),)
)
GROUP: Final = ResourceType("Group", "/Groups", "Group", definitions.GROUP)

RESERVED_ENDPOINTS: Final = frozenset(
    {"/bulk", "/me", "/schemas", "/resourcetypes", "/serviceproviderconfig", "/.search"}
)


@dataclass(frozen=True, slots=True)
class Registry:
    """The schemas and resource types of one tenant."""

    resource_types: tuple[ResourceType, ...]
    schemas: tuple[Schema, ...]
    by_endpoint: Mapping[str, ResourceType] = field(init=False, repr=False, compare=False)
    """Resource types by the endpoint's segment, `Users`: paths are case-sensitive (RFC 3986 §6.2.2.1)."""
    by_name: Mapping[str, ResourceType] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_endpoint", {kind.endpoint[1:]: kind for kind in self.resource_types})
        object.__setattr__(self, "by_name", {kind.name: kind for kind in self.resource_types})


def build_registry(
    documents: Iterable[Json] = (),
    resource_types: Iterable[ResourceType] = (USER, GROUP),
    indexes: Mapping[str, Sequence[ValueIndex]] | None = None,
) -> Registry:
    """The built-in resource types with a tenant's Schema and ResourceType documents and its indexes added.

    A ResourceType document that names an existing type adds the extensions it lists. Schemas may come in any
    order relative to the types that use them. `indexes` go by the name of the resource type. Raises
    InvalidValueError when the documents do not fit together.
    """
    types = {kind.name: kind for kind in resource_types}
    schemas = {schema.id.lower(): schema for kind in types.values() for schema in _schemas_of(kind)}
    schemas |= {schema.id.lower(): schema for schema in definitions.DISCOVERY}
    built_in = frozenset(schemas)
    documents = tuple(documents)
    for document in documents:
        if not is_resource_type_document(document):
            schema = schema_from_document(document)
            if schema.id.lower() in built_in:
                raise InvalidValueError(f"The schema {schema.id} is built in and cannot be replaced.")
            if schema.id.lower().startswith("urn:ietf:params:scim:api:"):
                raise InvalidValueError(f"{schema.id} is the URN of a message, not of a schema (RFC 7644 §3.1).")
            schemas[schema.id.lower()] = schema
    for document in documents:
        if is_resource_type_document(document):
            kind = _resource_type(document, schemas, types)
            types[kind.name] = kind
    _check_endpoints(types.values())
    for name, declared in (indexes or {}).items():
        if name in types:
            types[name] = replace(types[name], indexes=tuple(declared))
    return Registry(tuple(types.values()), tuple(schemas.values()))


def is_resource_type_document(document: Json) -> bool:
    """Whether the document is a ResourceType rather than a Schema."""
    if not isinstance(document, Mapping) or "attributes" in document:
        return False
    schemas = document.get("schemas")
    return (isinstance(schemas, Sequence) and urns.RESOURCE_TYPE in schemas) or any(
        member in document for member in ("schema", "schemaExtensions", "endpoint")
    )


def _schemas_of(kind: ResourceType) -> list[Schema]:
    return [kind.schema, *(extension.schema for extension in kind.extensions)]


def _resource_type(
    document: Mapping[str, Json], schemas: Mapping[str, Schema], types: Mapping[str, ResourceType]
) -> ResourceType:
    name = document.get("name") or document.get("id")
    if not isinstance(name, str) or not name:
        raise InvalidValueError("A resource type needs a 'name'.")
    listed = document.get("schemaExtensions") or ()
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise InvalidValueError(f"Resource type {name}: 'schemaExtensions' is an array.")
    extensions = tuple(_extension(item, name, schemas) for item in listed)
    if name in types:
        return _extended(types[name], document, extensions)
    endpoint = document.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint.strip("/"):
        raise InvalidValueError(f"Resource type {name}: 'endpoint' is a path such as '/Devices'.")
    schema = _known_schema(document.get("schema"), name, schemas)
    return ResourceType(name, "/" + endpoint.strip("/"), str(document.get("description") or name), schema, extensions)


def _extended(
    kind: ResourceType, document: Mapping[str, Json], extensions: tuple[SchemaExtension, ...]
) -> ResourceType:
    schema = document.get("schema") or kind.schema.id
    if not isinstance(schema, str) or schema.lower() != kind.schema.id.lower():
        raise InvalidValueError(f"Resource type {kind.name} exists with the schema {kind.schema.id}.")
    kept = {extension.schema.id.lower(): extension for extension in kind.extensions}
    kept |= {extension.schema.id.lower(): extension for extension in extensions}
    return ResourceType(kind.name, kind.endpoint, kind.description, kind.schema, tuple(kept.values()))


def _extension(item: Json, name: str, schemas: Mapping[str, Schema]) -> SchemaExtension:
    if not isinstance(item, Mapping):
        raise InvalidValueError(f"Resource type {name}: an extension is an object with 'schema' and 'required'.")
    return SchemaExtension(_known_schema(item.get("schema"), name, schemas), required=item.get("required") is True)


def _known_schema(urn: Json, name: str, schemas: Mapping[str, Schema]) -> Schema:
    schema = schemas.get(urn.lower()) if isinstance(urn, str) else None
    if schema is None:
        raise InvalidValueError(f"Resource type {name}: the schema {urn!r} is not known; add it first.")
    return schema


def _check_endpoints(types: Iterable[ResourceType]) -> None:
    seen: set[str] = set()
    for kind in types:
        folded = kind.endpoint.lower()
        if folded in RESERVED_ENDPOINTS or folded in seen or "/" in folded[1:]:
            raise InvalidValueError(f"Resource type {kind.name}: the endpoint {kind.endpoint} cannot be used.")
        seen.add(folded)
