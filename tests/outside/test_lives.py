"""People of a company, from the first day on, in applications that are not ours: through `headcount sync` alone."""

import pytest

from headcount.testing.postgresql import temporary_postgresql
from outside.companies import (
    Company,
    account_of,
    accounts_at,
    company_folder,
    ids_at,
    managers_at,
    teams_at,
    teams_of,
)
from outside.servers import Application, canaille, headcount, scim2_server, scimmy
from processes import server, tenant_with_token

OTHERS = {"canaille": canaille, "scimmy": scimmy, "scim2-server": scim2_server}
CHAIN = "headcount to headcount"


@pytest.fixture(scope="module", params=[*OTHERS, CHAIN])
def new_company(request, tmp_path_factory):
    """Makes companies that are provisioned into one application."""
    folder = company_folder(tmp_path_factory.mktemp("company"))
    place = tmp_path_factory.mktemp("application")
    if request.param in OTHERS:
        with OTHERS[request.param](place) as application:
            yield lambda **options: Company(folder, application, **options)
    else:
        yield from chained(folder, place)


def chained(folder, place):
    """From the HR file into a tenant here, and from that into a Headcount on PostgreSQL."""
    with temporary_postgresql() as postgresql, server(folder) as ours:
        database = postgresql.create_database("another")
        with headcount(place, database, "another") as another:

            def new(name="north", **options):
                here = Application(ours.base_url(name), tenant_with_token(folder, name), "pack: headcount")
                return Company(folder, here, name=name, tenant=name, then=another, **options)

            yield new


def test_a_year(new_company):
    company = new_company()
    application = company.application
    ours, nobodys = (application.create(name) for name in ("north3", "nobody"))
    for number in range(1, 25):
        company.hire(
            number, manager="1" if number > 1 else "", teams=company.team("All", "Red" if number % 2 else "Blue")
        )
    company.change(7, phone="+49 30 1234567")
    company.change(8, phone="+49 30 7654321")
    logins = {number: row["login"] for number, row in company.people.items()}

    def everything_is_there():
        """What the application shows is what the HR file wants, and nothing more is planned."""
        accounts = accounts_at(company)
        away = {login: account for login, account in accounts.items() if not account[0]}
        wanted = {logins[number]: account_of(row) for number, row in company.people.items()}
        assert {login: account for login, account in accounts.items() if account[0]} == wanted
        assert teams_at(company) == teams_of(company, logins)
        if application.has_managers:
            managers = {number: int(row["manager"]) for number, row in company.people.items() if row["manager"]}
            shown = {login: manager for login, manager in managers_at(company).items() if login not in away}
            assert shown == {logins[number]: logins[manager] for number, manager in managers.items()}
        assert company.pending() == []
        return set(away)

    # joiners, and one who is there already
    company.sync()
    assert everything_is_there() == set()
    ids = ids_at(company)
    assert ids["north3"] == ours

    # movers, renames, leavers, a joiner; a group that goes and one that comes
    company.change(2, title="Senior", department="Sales", phone="+49 30 1111111")
    company.change(7, phone="+49 30 2222222", title="")
    company.change(8, phone="", manager="2")
    company.change(4, first="Élodie", last="O'Neill-Байрон", email="elodie@example.com")
    if application.renames_accounts:
        company.change(4, login="north-elodie")
    company.change(9, teams=company.team("All", "Blue"))
    for number in range(11, 25):
        company.change(number, teams=company.people[number]["teams"].replace("Red", "Green"))
    gone = [company.leave(number) for number in (5, 6)]
    company.hire(25, teams=company.team("All", "Green"), manager="2")
    logins |= {number: row["login"] for number, row in company.people.items()}
    assert company.plan_and_apply()["deactivate"] == 2
    assert everything_is_there() == {"north5", "north6"}
    after = ids_at(company)
    assert {after.pop(logins[25])} | set(ids.values()) == set(ids_at(company).values())
    assert after[logins[4]] == ids["north4"]

    # who comes back gets the same account; a whole group ends
    for row in gone:
        company.rehire(row, title="Back")
    for number in list(company.people):
        company.change(number, teams=company.team("All"))
    assert company.sync()["delete"] == len({"Red", "Blue", "Green"})
    assert everything_is_there() == set()
    assert ids_at(company).items() >= {"north5": ids["north5"], "north6": ids["north6"]}.items()
    assert company.drifted() == []
    assert nobodys in company.orphans()


def test_leavers_are_deleted_where_that_is_wanted_and_come_back_as_somebody_new(new_company):
    company = new_company(name="south", leaver="delete")
    for number in range(101, 106):
        company.hire(number)
    company.sync()
    before = ids_at(company)
    gone = company.leave(103)
    assert company.sync()["delete"] == 1
    assert ids_at(company).keys() == before.keys() - {"south103"}
    assert teams_at(company) == {"south All": before.keys() - {"south103"}}
    assert company.pending() == []
    company.rehire(gone)
    assert company.sync()["create"] == 1
    assert teams_at(company) == {"south All": before.keys()}
    assert ids_at(company)["south103"] != before["south103"]
    assert company.pending() == []


def test_a_name_that_somebody_else_has_waits_for_a_human(new_company):
    company = new_company(name="west")
    for number in range(201, 204):
        company.hire(number)
    company.sync()
    taken = company.application.create("west-taken")
    before = company.people[202]
    company.change(202, login="west-taken")
    if not company.application.renames_accounts:  # the job sends a userName on create only
        assert company.pending() == []
        return
    [problem] = company.run()["problems"]
    assert (problem["action"], problem["status"]) == ("update", "conflict")
    [review] = company.reviews()
    assert (review["isConflict"], [candidate["id"] for candidate in review["candidates"]]) == (True, [taken])
    assert ids_at(company).keys() == {"west201", "west202", "west203", "west-taken"}
    company.rehire(before, login="west-free")
    assert company.sync() == {"update": 1}
    assert ids_at(company).keys() == {"west201", "west-free", "west203", "west-taken"}
    assert (company.reviews(), company.pending()) == ([], [])


def test_what_somebody_else_changes_there_is_drift_and_no_obstacle(new_company):
    company = new_company(name="east")
    application = company.application
    for number in range(301, 304):
        company.hire(number)
    company.sync()
    application.change(ids_at(company)["east302"], "title", "Emperor")
    assert company.pending() == []
    assert [
        (change["label"], value["path"], value["old"]) for change in company.drifted() for value in change["values"]
    ] == [("east302", "title", "Emperor")]
    company.change(302, department="Sales")
    company.run()
    company.run()
    assert company.pending() == []
    assert accounts_at(company)["east302"] == account_of(company.people[302] | {"title": "Emperor"})


def test_an_account_that_somebody_made_meanwhile_waits_for_a_human_who_links_it(new_company):
    company = new_company(name="edge")
    company.hire(401)
    company.sync()
    company.hire(402)
    plan = company.planned()
    theirs = company.application.create("edge402")
    assert [(problem["action"], problem["status"]) for problem in company.applied(plan)["problems"]] == [
        ("create", "conflict")
    ]
    [review] = company.reviews()
    assert [candidate["id"] for candidate in review["candidates"]] == [theirs]
    company.link(review["key"], theirs)
    assert company.sync()["adopt"] == 1
    assert ids_at(company)["edge402"] == theirs
    assert accounts_at(company)["edge402"] == account_of(company.people[402])
    assert teams_at(company) == {"edge All": {"edge401", "edge402"}}
    assert (company.reviews(), company.pending()) == ([], [])
