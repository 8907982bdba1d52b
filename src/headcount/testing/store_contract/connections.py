"""Whose externalId is whose: each connection has its own (RFC 7643 §3.1)."""

from typing import TypeVar

import pytest

from headcount.scim.registry import GROUP
from headcount.store.interface import DEFAULT_CONNECTION, Create, Delete, Keys, Update
from headcount.testing.store_contract.examples import USER, create, member_change, origin, replacement
from headcount.testing.store_contract.harness import query_of
from headcount.testing.store_contract.keeping import Kept

_Write = TypeVar("_Write", Create, Update, Delete)

ADA = create(USER, "ada", {"externalId": "e1"})


def by(connection: str, write: _Write) -> _Write:
    """The write, asked for by a connection."""
    return write._replace(origin=write.origin._replace(connection=connection))


def given(connection: str, external_id: str | None, before: str | None = None, version: int = 1) -> Update:
    """The externalId of a connection, in place of the one that it gave before."""
    update = replacement(USER, ADA, {"externalId": external_id} if external_id else {"title": "x"}, version)
    assert update.previous is not None
    return by(connection, update._replace(previous=update.previous._replace(external_id=before)))


class Connections(Kept):
    """Several clients in one tenant."""

    def ids_by(self, external_id: str, connection: str | None = None) -> list[tuple[str, str]]:
        """Who has an externalId."""
        return list(self.run(self.tenant.ids_of("User", "external_id", [external_id], connection=connection)))

    def found(self, filter_text: str, connection: str | None = None, sort: str | None = None) -> list[str]:
        """The ids that a search finds."""
        return self.ids(query_of(filter_text, sort=sort, connection=connection))

    def test_a_resource_belongs_to_the_connection_that_created_it(self) -> None:
        self.write(create(USER, "bob"), by("hr", ADA), by("okta", replacement(USER, ADA, {"title": "x"})))
        assert [self.read(USER, name).connection for name in ("ada", "bob")] == ["hr", DEFAULT_CONNECTION]
        page = self.search(query_of())
        assert [row.connection for row in page.resources] == ["hr", DEFAULT_CONNECTION]
        assert [row.connection for row in self.search(query_of('userName eq "ada"')).resources] == ["hr"]

    def test_every_row_of_the_change_log_names_its_connection(self) -> None:
        self.write(
            by("hr", ADA),
            create(GROUP, "eng", members=("ada",)),
            by("okta", member_change("eng", removed=["ada"])),
            by("okta", member_change("eng", added=["ada"])),
            by("okta", Delete("User", "ada", origin(), None)),
        )
        self.run(self.tenant.sequence_changes())
        rows = self.run(self.tenant.changes_after(0))
        assert sorted((row.id, row.version, row.kind, row.connection) for row in rows) == [
            ("ada", 1, "create", "hr"),
            ("ada", 1, "delete", "okta"),
            ("eng", 1, "create", DEFAULT_CONNECTION),
            ("eng", 2, "update", "okta"),
            ("eng", 3, "update", "okta"),
            ("eng", 4, "update", "okta"),
        ]

    def test_one_connection_does_not_touch_the_external_id_of_another(self) -> None:
        self.write(by("hr", ADA), given("okta", "o1"), given("okta", "o2", "o1", 2))
        assert [self.ids_by(name, "hr") for name in ("e1", "o1", "o2")] == [[("e1", "ada")], [], []]
        assert [self.ids_by(name, "okta") for name in ("e1", "o1", "o2")] == [[], [], [("o2", "ada")]]
        self.write(given("okta", None, "o2", 3))
        assert (self.ids_by("e1"), self.ids_by("o2")) == ([("e1", "ada")], [])
        self.write(given("hr", None, "e1", 4))
        assert self.ids_by("e1") == []

    def test_without_a_connection_an_external_id_is_anybodys_and_is_found_once(self) -> None:
        self.write(by("hr", ADA), given("okta", "e1"), by("okta", create(USER, "bob", {"externalId": "o1"})))
        assert self.ids_by("e1") == [("e1", "ada")]
        assert (self.found('externalId eq "e1"'), self.found('externalId eq "o1"')) == (["ada"], ["bob"])

    def test_two_connections_may_mean_different_people_by_one_external_id(self) -> None:
        self.write(by("hr", ADA), by("okta", create(USER, "bob", {"externalId": "e1"})))
        assert [self.ids_by("e1", name) for name in ("hr", "okta", "none")] == [[("e1", "ada")], [("e1", "bob")], []]
        assert [self.found('externalId eq "e1"', name) for name in ("hr", "okta", "none")] == [["ada"], ["bob"], []]
        assert self.found('externalId eq "e1"') == ["ada", "bob"]

    @pytest.mark.parametrize(
        ("filter_text", "found"),
        [
            ('externalId eq "e1"', ["ada"]),
            ('externalId eq "E1"', []),
            ('externalId sw "e"', ["ada", "bob"]),
            ('externalId co "2"', ["bob"]),
            ("externalId pr", ["ada", "bob"]),
            ('externalId gt "e1"', ["bob"]),
            ("not (externalId pr)", ["carl"]),
            ('externalId eq "e2" or userName eq "carl"', ["bob", "carl"]),
            ('externalId sw "o"', []),
        ],
    )
    def test_filters_and_sorting_are_about_the_external_ids_of_the_connection_that_is_named(
        self, filter_text: str, found: list[str]
    ) -> None:
        self.write(
            by("hr", ADA),
            by("hr", create(USER, "bob", {"externalId": "e2"})),
            by("okta", create(USER, "carl", {"externalId": "o1"})),
            given("okta", "o9"),
        )
        assert self.found(filter_text, "hr") == found
        assert self.found(filter_text, "hr", sort="externalId") == found

    def test_all_external_ids_of_a_deleted_resource_go(self) -> None:
        self.write(by("hr", ADA), given("okta", "o1"), by("entra", Delete("User", "ada", origin(), None)))
        assert (self.ids_by("e1"), self.ids_by("o1")) == ([], [])

    def test_keys_without_an_external_id_are_no_bodys(self) -> None:
        self.write(by("hr", ADA._replace(keys=Keys(user_name="ada"))))
        assert self.ids_by("e1", "hr") == []
