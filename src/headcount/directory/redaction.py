"""Bodies without secrets, for what is kept of requests. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from headcount.scim.registry import Registry
from headcount.scim.schemas import Attribute, Json

REDACTED: Final = "[redacted]"
_ALWAYS: Final = frozenset({"password", "token", "secret"})
_NAME: Final = re.compile(r"\w[\w-]*")


def secrets_of(registry: Registry) -> frozenset[str]:
    """The names of attributes and sub-attributes whose values are not kept, folded."""
    return _ALWAYS.union(*(_secrets_in(schema.attributes) for schema in registry.schemas))


def redacted(value: Json, secrets: frozenset[str]) -> Json:
    """A body in which the values of secret attributes are replaced, those of PATCH operations on them too."""
    if isinstance(value, dict):
        hidden = _is_about_secret(value, secrets)
        return {
            name: REDACTED
            if _is_secret(name.lower(), item, secrets) or (hidden and name.lower() == "value")
            else redacted(item, secrets)
            for name, item in value.items()
        }
    return [redacted(item, secrets) for item in value] if isinstance(value, list) else value


def names_secret(text: str, secrets: frozenset[str]) -> bool:
    """Whether a path, filter or query names a secret attribute."""
    return any(word.lower() in secrets for word in _NAME.findall(text))


def _is_secret(name: str, item: Json, secrets: frozenset[str]) -> bool:
    compares = name in ("filter", "path") and isinstance(item, str) and '"' in item
    return name.rpartition(":")[2] in secrets or (compares and names_secret(item, secrets))


def _is_about_secret(value: Mapping[str, Json], secrets: frozenset[str]) -> bool:
    path = next((item for name, item in value.items() if name.lower() == "path"), None)
    return isinstance(path, str) and names_secret(path, secrets)


def _secrets_in(attributes: tuple[Attribute, ...]) -> Iterator[str]:
    for attribute in attributes:
        if attribute.is_secret:
            yield attribute.name.lower()
        yield from _secrets_in(attribute.sub_attributes)
