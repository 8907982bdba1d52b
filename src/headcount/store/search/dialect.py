"""What differs from database to database, as one small interface."""

from collections.abc import Sequence
from typing import Protocol

from headcount.scim.schemas import Type
from headcount.store.search.sql import Parameter, Sql


class Dialect(Protocol):
    """How a database reaches into compare documents. Names come from schemas, values are parameters."""

    row: str
    """The expression that a resource is fetched by once it is picked."""

    def member(self, document: str, names: Sequence[str], kind: Type) -> Sql:
        """The simple value of a type at a path in a JSON expression; NULL when missing."""
        ...

    def has_member(self, document: str, names: Sequence[str]) -> Sql:
        """Whether there is anything at a path."""
        ...

    def elements(self, document: str, names: Sequence[str], alias: str) -> Sql:
        """A table of the elements of the array at a path: `alias.value` and their order, `alias.key`."""
        ...

    def element(self, expression: str, kind: Type) -> Sql:
        """The simple value of a type that such an element is."""
        ...

    def contains(self, expression: Sql, text: str) -> Sql:
        """Whether the text stands within a string."""
        ...

    def starts_with(self, expression: Sql, text: str) -> Sql:
        """Whether a string begins with the text."""
        ...

    def ends_with(self, expression: Sql, text: str) -> Sql:
        """Whether a string ends with the text."""
        ...

    def parameter(self, value: str | bool | float, kind: Type) -> Parameter:  # noqa: FBT001
        """A comparable value of a type as a parameter."""
        ...

    def without_index(self, expression: Sql) -> Sql:
        """The expression, kept from leading a search: other conditions are more selective."""
        ...

    def as_rare(self, expression: Sql) -> Sql:
        """A condition that holds for few resources as a rule, so that an index which holds the value should lead."""
        ...
