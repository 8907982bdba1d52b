"""Arbitrary input at every entrance: a value or a documented error, never another exception, in bounded time."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headcount.scim import urns
from headcount.scim.bulk import order, read_bulk, resolve, without_references
from headcount.scim.comparison import compare_document
from headcount.scim.errors import InvalidFilterError, InvalidPathError, InvalidValueError, ScimError
from headcount.scim.filters.binding import bind_filter, unknown_paths
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter, parse_patch_path
from headcount.scim.filters.rendering import render
from headcount.scim.filters.syntax import Not
from headcount.scim.patch import MembersNeededError, Op, PatchOperation, PatchResult, apply_patch, read_patch
from headcount.scim.profiles import PROFILES, Profile
from headcount.scim.projection import read_projection
from headcount.scim.registry import GROUP, USER, ResourceType, build_registry
from headcount.scim.schemas import Attribute, Json, Type, schema_from_document
from headcount.scim.search import bind_sort, search_from_message, search_from_parameters
from headcount.scim.validation import check_required, validate_resource
from headcount.scim.versions import matches_tag

E = urns.ENTERPRISE_USER
CUSTOM = build_registry(
    [
        {
            "id": "urn:example:all",
            "attributes": [
                *({"name": f"a{kind}", "type": kind} for kind in Type if kind is not Type.COMPLEX),
                *({"name": f"m{kind}", "type": kind, "multiValued": True} for kind in Type if kind is not Type.COMPLEX),
                {"name": "fixed", "mutability": "immutable"},
                {"name": "secret", "returned": "never"},
                {
                    "name": "box",
                    "type": "complex",
                    "subAttributes": [{"name": "value", "required": True}, {"name": "seal", "mutability": "immutable"}],
                },
                {
                    "name": "boxes",
                    "type": "complex",
                    "multiValued": True,
                    "subAttributes": [
                        {"name": "value", "required": True},
                        {"name": "type"},
                        {"name": "primary", "type": "boolean"},
                        {"name": "marks", "multiValued": True},
                    ],
                },
            ],
        },
        {"name": "All", "endpoint": "/Alls", "schema": "urn:example:all"},
    ]
).by_name["All"]
fuzz = settings(max_examples=150, deadline=timedelta(seconds=1))
kinds = st.sampled_from((USER, GROUP, CUSTOM))
profiles = st.sampled_from(sorted(PROFILES.values(), key=lambda profile: profile.name))

TOKENS = (
    *("a", "userName", "emails", "name.givenName", f"{E}:manager", f"{urns.USER}:emails", "members", "$ref", "x.y.z"),
    *("eq", "ne", "co", "gt", "pr", "and", "or", "not", "true", "True", "null", "(", ")", "[", "]", ".value", "."),
    *('"x"', '"', r'"\ud800"', r'"\"', "1", "-1.5e3", "1e999", "9" * 400, "'x'", " ", "\t", "\x00", "é", "\ud800"),
)
soup = st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join) | st.lists(st.sampled_from(TOKENS)).map("".join)
texts = (
    soup | st.text(max_size=40) | st.text(st.characters(codec=None, categories=("Cs", "Cc", "Zs", "L")), max_size=10)
)


@given(texts)
@fuzz
def test_any_text_is_a_filter_or_an_invalid_one(text: str) -> None:
    try:
        parsed = parse_filter(text)
    except InvalidFilterError:
        return
    assert parse_filter(render(parsed)) == parsed


@given(texts)
@fuzz
def test_any_text_is_a_patch_path_or_an_invalid_one(text: str) -> None:
    try:
        path = parse_patch_path(text)
    except (InvalidPathError, InvalidFilterError):
        return
    assert path.path
    assert path.path in text


def test_the_largest_and_most_hostile_filters_are_read_in_bounded_time() -> None:
    size = 8 * 1024
    hostile = ("(" * size, "not(" * (size // 4), "e[" * (size // 2), '"' * size, " " * size, "a" * size, "1" * size)
    hostile += (
        'a eq "' + "\\" * size,
        "a.b" * (size // 3),
        "a pr or " * (size // 8),
        "a[b.c " * (size // 6),
        "-" * size,
    )
    for text in (each[:size] for each in hostile):
        for read in (parse_filter, parse_patch_path):
            assert outcome(read, text)[0] in ("value", "InvalidFilterError", "InvalidPathError")


def outcome(function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[str, Any]:
    try:
        return "value", function(*arguments, **options)
    except ScimError as error:
        assert error.status in (400, 413)
        assert error.scim_type or error.status == 413
        return type(error).__name__, None


def names(kind: ResourceType) -> list[str]:
    found = [
        "nosuch",
        "urn:example:nosuch",
        kind.schema.id,
        "USERNAME",
        "name.givenName",
        'emails[type eq "work"].value',
    ]
    for schema in (kind.schema, *(extension.schema for extension in kind.extensions)):
        for attribute in schema.attributes:
            found += [attribute.name, f"{schema.id}:{attribute.name}"]
            found += [f"{attribute.name}.{sub.name}" for sub in attribute.sub_attributes]
    return [*found, "id", "schemas", "meta", "externalId", *(each.schema.id for each in kind.extensions)]


KEYS = st.sampled_from(
    ("value", "type", "primary", "display", "$ref", "VALUE", "members", "operation", "nosuch", "givenName")
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        (2**63, 10**400, 1.5, float("inf"), "", "x", "X", "work", "True", "no uri", "2024-01-01T00:00:00Z")
    )
    | st.sampled_from(
        (urns.USER, E, "9999-12-31T24:00:00Z", "TWFu", "TWF", " ", "bulkId:a", "urn:scim:schemas:core:1.0")
    )
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def mostly(usual: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """What is usual, and now and then anything."""
    return st.sampled_from((usual,) * 7 + (values,)).flatmap(lambda strategy: strategy)


def fitting(attribute: Attribute) -> st.SearchStrategy[Json]:
    """Values of the attribute's type, mostly."""
    simple: dict[Type, st.SearchStrategy[Json]] = {
        Type.STRING: st.sampled_from(("", "x", "X", "y", "work", "Home")),
        Type.BOOLEAN: st.booleans(),
        Type.INTEGER: st.integers(-2, 2),
        Type.DECIMAL: st.sampled_from((0, 1, 1.0, 0.5)),
        Type.DATE_TIME: st.sampled_from(("2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2025-01-01T00:00:00")),
        Type.BINARY: st.sampled_from(("TWFu", "TWE", " ")),
        Type.REFERENCE: st.sampled_from(("https://x/1", "../2", "")),
    }
    if attribute.is_complex:
        parts = {sub.name: fitting(sub) for sub in attribute.sub_attributes}
        one: st.SearchStrategy[Json] = st.fixed_dictionaries({}, optional=parts)
    else:
        one = simple[attribute.type]
    return st.lists(one, max_size=3) if attribute.multi_valued else one


@st.composite
def bodies(draw: st.DrawFn, kind: ResourceType) -> dict[str, Json]:
    schemas = (kind.schema, *(extension.schema for extension in kind.extensions))
    body: dict[str, Json] = {"schemas": [kind.schema.id]}
    for schema in schemas:
        parts = {attribute.name: fitting(attribute) for attribute in schema.attributes}
        chosen = draw(st.fixed_dictionaries({}, optional=parts))
        body |= chosen if schema is kind.schema else {schema.id: chosen}
    body |= {attribute.name: "x" for attribute in kind.required_attributes}
    wild = st.dictionaries(st.sampled_from(names(kind)), values, max_size=2)
    return body | draw(st.just({}) | st.just({}) | wild)


@given(kinds.flatmap(lambda kind: st.tuples(st.just(kind), bodies(kind) | values)), profiles, st.booleans())
@fuzz
def test_any_body_is_a_resource_that_stays_what_it_is_or_an_error(
    kind_and_body: tuple[ResourceType, Json], profile: Profile, refuse_unknown: bool
) -> None:
    kind, body = kind_and_body
    before = deepcopy(body)
    _, valid = outcome(validate_resource, body, kind, profile, refuse_unknown=refuse_unknown)
    assert repr(body) == repr(before)
    if valid is not None:
        assert validate_resource(valid.resource, kind, profile, refuse_unknown=True).resource == valid.resource
        compare_document(valid.resource, kind)
        read_projection(["name", "emails.value"], None, kind).apply(valid.resource)


@st.composite
def patches(draw: st.DrawFn, kind: ResourceType) -> list[dict[str, Json]]:
    paths = st.sampled_from(
        [
            f"{name}{tail}"
            for name in names(kind)
            for tail in ("", '[value eq "x"]', "[type pr].value", '[not (value sw "y")]')
        ]
    )
    attributes = [attribute for attribute in kind.attributes.values() if not attribute.is_read_only]
    by_name = st.sampled_from(attributes).flatmap(
        lambda attribute: st.fixed_dictionaries({"path": st.just(attribute.name), "value": fitting(attribute)})
    )
    by_path = st.fixed_dictionaries({"value": values}, optional={"path": paths | texts})
    op = st.sampled_from(("add", "replace", "remove", "Add", "move"))
    return [{"op": draw(op), **draw(by_name | by_path)} for _ in range(draw(st.integers(1, 3)))]


def carry_out(resource: dict[str, Json], operations: Json, kind: ResourceType, profile: Profile) -> PatchResult | None:
    read = read_patch({"schemas": [urns.PATCH_OP], "Operations": operations}, profile)
    try:
        return apply_patch(resource, read, kind, profile)
    except MembersNeededError:
        return apply_patch(resource, read, kind, profile, members=[{"value": "x", "type": "User"}, {"value": "y"}])


@given(kinds.flatmap(lambda kind: st.tuples(st.just(kind), bodies(kind), patches(kind) | values)), profiles)
@fuzz
def test_any_patch_makes_a_canonical_resource_or_an_error_and_changes_nothing_that_went_in(
    drawn: tuple[ResourceType, dict[str, Json], Json], profile: Profile
) -> None:
    kind, body, operations = drawn
    _, valid = outcome(validate_resource, body, kind, profile)
    if valid is None:
        return
    resource = {name: value for name, value in valid.resource.items() if name != "members"}
    before = repr((resource, operations))
    _, result = outcome(carry_out, resource, operations, kind, profile)
    assert repr((resource, operations)) == before
    if result is not None and outcome(check_required, result.resource, kind)[0] == "value":
        again = validate_resource(result.resource, kind, profile, refuse_unknown=True)
        assert again.resource == result.resource


@given(kinds.flatmap(lambda kind: st.tuples(st.just(kind), bodies(kind), bodies(kind))), profiles)
@fuzz
def test_adding_the_same_twice_is_adding_it_once(
    drawn: tuple[ResourceType, dict[str, Json], dict[str, Json]], profile: Profile
) -> None:
    kind, body, value = drawn
    _, valid = outcome(validate_resource, body, kind, profile)
    if valid is None:
        return
    resource = {name: item for name, item in valid.resource.items() if name != "members"}
    operation = PatchOperation(Op.ADD, None, value)
    _, once = outcome(apply_patch, resource, [operation], kind, profile)
    if once is None:
        return
    twice = apply_patch(once.resource, [operation], kind, profile)
    assert twice.resource == once.resource
    assert apply_patch(resource, [operation, operation], kind, profile).resource == once.resource


LITERALS = ('"x"', '"WORK"', '"2024-01-01T00:00:00Z"', '"true"', "True", "true", "null", "1", "0.5", "1e400", "9" * 400)
operators = st.sampled_from(("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"))


def filters(kind: ResourceType) -> st.SearchStrategy[str]:
    """Texts that are filters, mostly of attributes that the type has."""
    paths = st.sampled_from(names(kind)) | st.sampled_from(("value", "type", "primary"))
    compared = st.builds("{} {} {}".format, paths, operators, st.sampled_from(LITERALS))
    terms = compared | st.builds("{} pr".format, paths)
    return st.recursive(
        terms,
        lambda inner: (
            st.builds("({}) and {}".format, inner, inner)
            | st.builds("{} or not ({})".format, inner, inner)
            | st.builds("{}[{}]".format, paths, terms)
        ),
        max_leaves=4,
    )


FILTERS = {kind.name: filters(kind) for kind in (USER, GROUP, CUSTOM)}


@given(kinds.flatmap(lambda kind: st.tuples(st.just(kind), bodies(kind), FILTERS[kind.name])), profiles, st.booleans())
@fuzz
def test_any_filter_that_is_bound_has_a_meaning(
    drawn: tuple[ResourceType, dict[str, Json], str], profile: Profile, unknown_is_absent: bool
) -> None:
    kind, body, text = drawn
    _, parsed = outcome(parse_filter, text)
    _, valid = outcome(validate_resource, body, kind, profile)
    if parsed is None or valid is None:
        return
    unknown_paths(parsed, kind, profile)
    _, bound = outcome(bind_filter, parsed, kind, profile, unknown_is_absent=unknown_is_absent)
    if bound is not None:
        holds = matches(bound, valid.resource)
        assert (
            matches(bind_filter(Not(parsed), kind, profile, unknown_is_absent=unknown_is_absent), valid.resource)
            is not holds
        )


references = st.lists(st.sampled_from(("bulkId:a", "bulkId:b", "bulkId:c", "bulkId:d", "1")), max_size=2)
data = references.map(lambda found: {"members": [{"value": item} for item in found]})
creations = st.lists(data, max_size=4).map(
    lambda bodies: [
        {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": body}
        for bulk_id, body in zip("abcd", bodies, strict=False)
    ]
)
changes = st.fixed_dictionaries(
    {
        "method": st.sampled_from(("PUT", "patch")),
        "path": st.sampled_from(("/Groups/1", "/Groups/bulkId:a")),
        "data": data,
    }
)
wild = st.dictionaries(st.sampled_from(("method", "path", "bulkId", "version", "data")), values | st.just("POST"))
mixed = st.builds(list.__add__, creations, st.lists(changes, max_size=2)).flatmap(st.permutations)


@given(
    mixed | st.builds(list.__add__, creations, st.lists(wild | values, max_size=1)) | values,
    st.none() | values,
    profiles,
)
@fuzz
def test_any_bulk_request_is_ordered_completely_or_an_error(
    items: Json, fail_on_errors: Json, profile: Profile
) -> None:
    body = {"schemas": [urns.BULK_REQUEST], "Operations": items, "failOnErrors": fail_on_errors}
    _, request = outcome(read_bulk, body, profile, limit=5)
    if request is not None:
        steps = order(request)
        assert sorted(step.operation.index for step in steps if not step.completes) == list(range(len(items)))
        for operation in request.operations:
            assert "bulkId:a" not in str(resolve(operation.data, {"a": "1"}))
            without_references(operation.data)


phrases = mostly(st.sampled_from(("userName", "title pr", "descending", "")))
numbers = mostly(st.integers(-(10**18), 10**18))
lists = mostly(st.lists(st.sampled_from(("userName", "name.givenName", "nosuch", E))))
searches = st.fixed_dictionaries(
    {"schemas": st.just([urns.SEARCH_REQUEST])},
    optional={
        **dict.fromkeys(("filter", "sortBy", "sortOrder", "cursor"), phrases),
        **dict.fromkeys(("startIndex", "count"), numbers),
        **dict.fromkeys(("attributes", "excludedAttributes"), lists),
    },
)


@given(mostly(searches), profiles)
@fuzz
def test_any_search_message_is_a_search_or_an_error(body: Json, profile: Profile) -> None:
    _, search = outcome(search_from_message, body, profile)
    if search is not None and search.sort_by:
        outcome(bind_sort, search.sort_by, USER, profile)


parameters = st.sampled_from(
    ("filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes")
)


@given(st.dictionaries(parameters, texts | st.sampled_from(("1", "-1", "9" * 18, "9" * 19, "descending", "userName"))))
@fuzz
def test_any_query_string_is_a_search_or_an_error(query: dict[str, str]) -> None:
    outcome(search_from_parameters, query)


flags = mostly(st.booleans())
definitions = st.fixed_dictionaries(
    {"name": mostly(st.sampled_from(("a", "b", "$ref")))},
    optional={
        "type": mostly(st.sampled_from(tuple(Type))),
        **dict.fromkeys(("multiValued", "required", "caseExact"), flags),
        "mutability": mostly(st.sampled_from(("readOnly", "immutable"))),
        "returned": mostly(st.sampled_from(("never", "request"))),
        "subAttributes": mostly(st.just([{"name": "c"}])),
        "canonicalValues": mostly(st.just(["x"])),
    },
)
documents = st.fixed_dictionaries(
    {"id": mostly(st.just("urn:example:x")), "attributes": mostly(st.lists(definitions, min_size=1, max_size=2))},
    optional={"name": values, "description": values},
) | st.fixed_dictionaries(
    {"name": mostly(st.sampled_from(("User", "New")))},
    optional={
        "schemas": mostly(st.just([urns.RESOURCE_TYPE])),
        "schema": mostly(st.sampled_from((E, urns.USER))),
        "endpoint": mostly(st.sampled_from(("/New", "/Users"))),
        "schemaExtensions": mostly(st.just([{"schema": E}])),
    },
)


@given(mostly(documents))
@fuzz
def test_any_schema_document_is_a_schema_or_says_what_is_wrong(document: Json) -> None:
    how, schema = outcome(schema_from_document, document)
    assert how in ("value", InvalidValueError.__name__)
    if schema is not None:
        assert schema_from_document(schema.document()) == schema
    assert outcome(build_registry, [document])[0] in ("value", InvalidValueError.__name__)


@given(texts, st.integers(0, 3))
@fuzz
def test_any_precondition_is_understood_or_does_not_match(header: str, version: int) -> None:
    assert matches_tag(header, version) in (True, False)
    assert matches_tag(header, None) is False
