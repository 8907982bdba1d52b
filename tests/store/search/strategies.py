"""Generated directories and filters; values and literals come from one pool, so that they meet."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from headcount.scim import urns
from headcount.scim.filters.syntax import And, Comparison, Filter, Not, Operator, Or, Presence, ValuePath
from headcount.scim.registry import GROUP, ResourceType
from headcount.scim.schemas import Attribute, Json, Type
from store.search.searchable import BADGE, BASE_URL, EXTRA_URN, TYPES, USER, Directory

TEXTS = (
    "",
    "a",
    "A",
    "ab",
    "aB%",
    "%",
    "_",
    "a_b",
    "\\",
    "a\\%b",
    "'",
    "O'Neil",
    '"',
    'b"c',
    "?1",
    "$.a",
    "ß",
    "SS",
    "ss",
    "İ",
    "i\u0307",
    "é",
    "e\u0301",
    "e",
    "\U0010ffff",
    "a\U0010ffff",
    "a\U0010ffffb",
    "\ud7ff",
    "\ud7ffz",
    "\ue000",
    "10",
    "9",
    "true",
    "null",
    "work",
    "WORK",
    "home",
    "direct",
    "Indirect",
    "user",
    "Group",
    "[1]",
    "{}",
    " a",
)
DATES = (
    "2026-01-05T08:30:00Z",
    "2026-01-05T09:30:00+01:00",
    "2026-01-05T08:30:00.5Z",
    "2026-01-05T08:30:00.500Z",
    "2026-01-05T00:00:00-08:30",
    "2025-12-31T24:00:00Z",
    "1999-12-31T23:59:59.999999Z",
    "2026-01-09T08:30:00",
)
NUMBERS = (0, 1, -1, 2, 10, 9, 0.1, 0.5, 1.0, -2.5, 1e300, 3.3333333333333335, 2**53, 2**53 + 1, 2**63 - 1)
LITERAL_NUMBERS = (*NUMBERS, 1.5, 2**63, -(2**70), 10**400)

COMMON = ("a", "A", "ab", "a_b", "", "%", "work")

texts = st.sampled_from(COMMON) | st.sampled_from(TEXTS)
_SIMPLE: dict[Type, st.SearchStrategy[Json]] = {
    Type.STRING: texts,
    Type.BOOLEAN: st.booleans(),
    Type.INTEGER: st.sampled_from([number for number in NUMBERS if isinstance(number, int)]),
    Type.DECIMAL: st.sampled_from(NUMBERS),
    Type.DATE_TIME: st.sampled_from(DATES),
    Type.REFERENCE: st.sampled_from(["https://a/%", "https://a/_", "/Users/u1", "urn:x", ""]),
    Type.BINARY: st.sampled_from(["QQ==", "qq==", "AAAA"]),
}
_DERIVED = {"id", "meta", "groups", "members", "schemas", "password", "$ref"}


def _simple(attribute: Attribute) -> st.SearchStrategy[Json]:
    values = _SIMPLE[attribute.type]
    return st.lists(values, min_size=1, max_size=3) if attribute.multi_valued else values


def _complex(attribute: Attribute) -> st.SearchStrategy[Json]:
    subs = {
        sub.name: _simple(sub) for sub in attribute.sub_attributes if sub.name not in _DERIVED and not sub.is_read_only
    }
    element = st.fixed_dictionaries({}, optional=subs).filter(bool)
    return st.lists(element, min_size=1, max_size=3).map(_one_primary) if attribute.multi_valued else element


def _one_primary(elements: list[dict[str, Json]]) -> list[dict[str, Json]]:
    seen = False
    for element in elements:
        if element.get("primary"):
            element["primary"] = not seen
            seen = True
    return elements


def _attributes(attributes: tuple[Attribute, ...], *, required: dict[str, Any]) -> st.SearchStrategy[dict[str, Json]]:
    optional = {
        attribute.name: _complex(attribute) if attribute.is_complex else _simple(attribute)
        for attribute in attributes
        if attribute.name not in _DERIVED and attribute.name not in required and attribute.uniqueness == "none"
    }
    names = st.lists(st.sampled_from(sorted(optional)), max_size=6, unique=True)
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries({**required, **{name: optional[name] for name in chosen}})
    )


_manager = st.sampled_from(["u0", "u1", "u2", "g0", "nobody"]).map(lambda value: {"value": value})
_extra = {
    attribute.name: _complex(attribute) if attribute.is_complex else _simple(attribute)
    for attribute in USER.extension_by_urn[EXTRA_URN.lower()].schema.attributes
}
_users = st.builds(
    lambda base, external, enterprise, extra: {
        **({"externalId": external} if external is not None else {}),
        **base,
        **({urns.ENTERPRISE_USER: enterprise} if enterprise else {}),
        **({EXTRA_URN: extra} if extra else {}),
    },
    _attributes(USER.schema.attributes, required={}),
    st.none() | texts,
    st.fixed_dictionaries({}, optional={"department": texts, "manager": _manager}),
    st.fixed_dictionaries({}, optional=_extra),
)
_badges = _attributes(BADGE.schema.attributes, required={})


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """A handful of resources of three types, groups within groups among them."""
    directory = Directory()
    for number, attributes in enumerate(draw(st.lists(_users, min_size=1, max_size=5))):
        attributes["userName"] = f"{draw(texts)}{number}"
        _make_unique(attributes.get(EXTRA_URN, {}), number)
        directory.add(USER, f"u{number}", attributes)
    for number, attributes in enumerate(draw(st.lists(_badges, max_size=4))):
        code = draw(texts)
        directory.add(BADGE, f"b{number}", {**attributes, "code": f"{code}{number}"} if code else attributes)
    members = [key for key in directory.resources if key.startswith("u")]
    for number in range(draw(st.integers(0, 4))):
        directory.add(GROUP, f"g{number}", {"displayName": draw(texts.filter(bool))})
        directory.members[f"g{number}"] = draw(st.lists(st.sampled_from(members), max_size=4, unique=True))
        members.append(f"g{number}")
    return directory


def _make_unique(extra: dict[str, Json], number: int) -> None:
    if "number" in extra:
        extra["number"] += str(number)
    if "seats" in extra:
        extra["seats"] = number
    if "code" in extra.get("card", {}):
        extra["card"]["code"] += str(number)


def paths(kind: ResourceType) -> Iterator[tuple[str, Attribute, Attribute | None]]:
    """Everything that can be named in a filter over the type."""
    parts = [("", dict.fromkeys(kind.attributes.values()))]
    parts += [(f"{part.schema.id}:", dict.fromkeys(part.schema.attributes)) for part in kind.extensions]
    for prefix, attributes in parts:
        for attribute in attributes:
            if not attribute.is_secret:
                yield prefix + attribute.name, attribute, None
                for sub in attribute.sub_attributes:
                    yield f"{prefix}{attribute.name}.{sub.name}", attribute, sub


_EQUALITY = (Operator.EQ, Operator.NE)
_ORDER = (Operator.GT, Operator.GE, Operator.LT, Operator.LE)
_TEXT = (Operator.CO, Operator.SW, Operator.EW)
_OPERATORS = {
    Type.STRING: (*_EQUALITY, *_TEXT, *_ORDER),
    Type.BOOLEAN: _EQUALITY,
    Type.INTEGER: (*_EQUALITY, *_ORDER),
    Type.DECIMAL: (*_EQUALITY, *_ORDER),
    Type.DATE_TIME: (*_EQUALITY, *_ORDER),
    Type.BINARY: _EQUALITY,
    Type.REFERENCE: (*_EQUALITY, *_TEXT),
}
_ids = st.sampled_from(["u0", "u1", "g0", "g1", "g2", "b0", "nobody"])
_references = st.one_of(
    _SIMPLE[Type.REFERENCE],
    st.builds("{}/{}/{}".format, st.just(BASE_URL), st.sampled_from(["Users", "Groups", "Badges"]), _ids),
    st.sampled_from([BASE_URL, "/Users/", "/u1", "/Groups/g0", f"{BASE_URL}/Users/"]),
)
_LITERALS = {
    **_SIMPLE,
    Type.INTEGER: st.sampled_from(LITERAL_NUMBERS),
    Type.DECIMAL: st.sampled_from(LITERAL_NUMBERS),
    Type.REFERENCE: _references,
    Type.STRING: st.one_of(
        texts,
        _ids,
        st.sampled_from(
            [
                'W/"1"',
                "User",
                "b",
                "a0",
                "ab1",
                urns.GROUP,
                urns.USER.upper(),
                "u",
                "1",
                "%0",
            ]
        ),
    ),
}


def _leaf(path: str, attribute: Attribute) -> st.SearchStrategy[Filter]:
    if attribute.is_complex:
        return st.just(Presence(path)) | st.just(Comparison(path, Operator.EQ, None))
    literal = st.one_of(_LITERALS[attribute.type], _LITERALS[attribute.type], _LITERALS[attribute.type])
    return st.one_of(
        st.builds(Comparison, st.just(path), st.sampled_from(_OPERATORS[attribute.type]), literal),
        st.builds(Comparison, st.just(path), st.sampled_from(_OPERATORS[attribute.type]), literal),
        st.builds(Comparison, st.just(path), st.sampled_from(_EQUALITY), st.none()),
        st.just(Presence(path)),
    )


def _combined(leaves: st.SearchStrategy[Filter], size: int) -> st.SearchStrategy[Filter]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda operands: And(tuple(operands))),
            st.lists(inner, min_size=2, max_size=3).map(lambda operands: Or(tuple(operands))),
        ),
        max_leaves=size,
    )


def _value_path(path: str, attribute: Attribute) -> st.SearchStrategy[Filter]:
    if attribute.is_complex:
        leaves = st.one_of([_leaf(sub.name, sub) for sub in attribute.sub_attributes])
    else:
        leaves = _leaf("value", attribute)
    return st.builds(ValuePath, st.just(path), _combined(leaves, 3))


def filters(kinds: tuple[ResourceType, ...]) -> st.SearchStrategy[Filter]:
    """Filters over attributes that one of the types has."""
    named = [(path, attribute, sub) for kind in kinds for path, attribute, sub in paths(kind)]
    bracketed = [(path, attribute) for path, attribute, sub in named if attribute.multi_valued and sub is None]
    leaves = st.sampled_from(named).flatmap(lambda it: _leaf(it[0], it[2] or it[1]))
    value_paths = st.sampled_from(bracketed).flatmap(lambda it: _value_path(*it))
    return _combined(st.one_of(leaves, leaves, value_paths), 5)


searched = st.sampled_from([(USER,), (GROUP,), (BADGE,), (USER, GROUP), TYPES])
