"""References to resources in filters, brought into the form in which the service provider writes them.

A URI may be relative to the base URL (RFC 7643 §2.3.7), and URIs that differ in the version segment alone are the
same (RFC 7643 §2.4).
"""

from typing import Final, assert_never

from headcount.scim.filters.binding import (
    BoundAnd,
    BoundComparison,
    BoundConstant,
    BoundFilter,
    BoundNot,
    BoundOr,
    BoundPresence,
    BoundValuePath,
)
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import BoundPath
from headcount.scim.schemas import Type

_VERSION: Final = "/v2"


def with_absolute_references(bound: BoundFilter, base_url: str) -> BoundFilter:
    """The filter with every reference to a resource that it compares for equality as an absolute URI."""
    match bound:
        case BoundComparison(path, Operator.EQ, str(value)) if _refers_to_resource(path):
            return BoundComparison(path, Operator.EQ, absolute(value, base_url))
        case BoundNot(operand):
            return BoundNot(with_absolute_references(operand, base_url))
        case BoundAnd(operands):
            return BoundAnd(tuple(with_absolute_references(operand, base_url) for operand in operands))
        case BoundOr(operands):
            return BoundOr(tuple(with_absolute_references(operand, base_url) for operand in operands))
        case BoundValuePath(path, inner):
            return BoundValuePath(path, with_absolute_references(inner, base_url))
        case BoundComparison() | BoundPresence() | BoundConstant():
            return bound
        case _:
            assert_never(bound)


def absolute(uri: str, base_url: str) -> str:
    """A reference as it is written in responses; what belongs to another server stays as it is."""
    if uri.startswith(f"{base_url}/"):
        return uri
    unversioned = base_url.removesuffix(_VERSION)
    if uri.startswith(f"{unversioned}/"):
        return base_url + uri.removeprefix(unversioned)
    return uri if ":" in uri else f"{base_url}/{uri.lstrip('/')}"


def _refers_to_resource(path: BoundPath) -> bool:
    """`$ref` beside the `value` that it stands for, and `meta.location`."""
    if path.target.type is not Type.REFERENCE or path.sub_attribute is None:
        return False
    return path.attribute.is_reference_to_resource or path.attribute.name == "meta"
