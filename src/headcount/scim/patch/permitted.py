"""Whether a client may carry out an operation of a PATCH, judged by what the operation names.

Not by what it would change: that nothing changes would tell the value of what the client may not read.
"""

from collections.abc import Mapping

from headcount.scim.errors import ForbiddenError
from headcount.scim.filters.binding import bind_element_filter, named_paths
from headcount.scim.filters.syntax import Filter
from headcount.scim.patch.operations import Op
from headcount.scim.paths import BoundPath
from headcount.scim.profiles import Profile
from headcount.scim.schemas import Json, Schema
from headcount.scim.scopes import Permission


def check_operation(
    permission: Permission, op: Op, path: BoundPath, value_filter: Filter | None, value: Json, profile: Profile
) -> None:
    """Raises ForbiddenError for what the client must not change, or must not compare with."""
    if not permission.may_write(path) and not _may_write_parts(permission, op, path, value_filter, value):
        raise ForbiddenError(f"This token may not change '{path}'.")
    if op is Op.REMOVE and value is not None and not permission.may_read(path):
        raise ForbiddenError(f"This token may not compare with '{path}'; remove it without a value.")
    if value_filter is not None:
        whole = BoundPath(path.extension, path.attribute)
        for named in named_paths(bind_element_filter(value_filter, whole, profile)):
            if not permission.may_read(named):
                raise ForbiddenError(f"This token may not search by '{named}'.")


def check_whole_schema(permission: Permission, schema: Schema) -> None:
    """Raises ForbiddenError unless every attribute of an extension may be changed, whether it has a value or not."""
    for attribute in schema.attributes:
        path = BoundPath(schema.id, attribute)
        if not permission.may_write(path):
            raise ForbiddenError(f"This token may not change '{path}'.")


def _may_write_parts(permission: Permission, op: Op, path: BoundPath, value_filter: Filter | None, value: Json) -> bool:
    """Whether the value names only sub-attributes that may be written, and what it does not name stays."""
    attribute = path.attribute
    merges = op is Op.ADD or (op is Op.REPLACE and (value_filter is not None or not attribute.multi_valued))
    if path.sub_attribute is not None or not merges:
        return False
    elements = value if isinstance(value, list) else [value]
    return bool(elements) and all(
        isinstance(element, Mapping) and all(_may_write_part(permission, path, name) for name in element)
        for element in elements
    )


def _may_write_part(permission: Permission, path: BoundPath, name: str) -> bool:
    sub_attribute = path.attribute.sub(name)
    return sub_attribute is None or permission.may_write(BoundPath(path.extension, path.attribute, sub_attribute))
