"""A company's HR file, provisioned into a running application twice: a first load, then joiners, movers and leavers.

`make demo` runs it. Everything happens in a temporary folder, through the commands that a person would type. The exit
code is 0 only if the accounts are what the files say and a last plan finds nothing to do.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

PEOPLE = 300
SHOWN = 16
"""Lines at the beginning and at the end of an output."""
FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Ken", "Radia", "Tim", "Margaret", "Linus")
LAST = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Allen", "Thompson", "Perlman", "Hamilton")
DEPARTMENTS = ("Engineering", "Sales", "Finance", "Support", "People")
COLUMNS = ("number", "first", "last", "email", "title", "department", "manager")
JOB = """\
name: hr-to-app
tenant: company
source: {type: csv, path: people.csv, key: number}
mappings:
  userName: record.email
  displayName: record.first + " " + record.last
  name.givenName: record.first
  name.familyName: record.last
  title: record.title
  emails[type eq "work"].value: record.email
  emails[type eq "work"].primary: {constant: true}
  urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: record.department
  urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: reference(record.manager)
groups: {from: attribute, attribute: department}
targets:
  app:
    type: scim
    url: BASE_URL
    pack: headcount
    authentication: {bearer: "${APP_TOKEN}"}
"""


def person(number: int) -> dict[str, str]:
    """Somebody of the first file."""
    first, last = FIRST[number % len(FIRST)], LAST[number // len(FIRST) % len(LAST)]
    return {
        "number": f"{1000 + number}",
        "first": first,
        "last": last,
        "email": f"{first}.{last}{number}@example.com".lower(),
        "title": "Director" if number < len(DEPARTMENTS) else "Employee",
        "department": DEPARTMENTS[number % len(DEPARTMENTS)],
        "manager": "" if number < len(DEPARTMENTS) else f"{1000 + number % len(DEPARTMENTS)}",
    }


def a_month_later(people: list[dict[str, str]]) -> list[dict[str, str]]:
    """Ten have left, ten have joined, ten have moved to another department, and one has married."""
    changed = [dict(one) for one in people[:-10]]
    for mover in changed[20:30]:
        mover["department"] = "Support" if mover["department"] != "Support" else "Sales"
    changed[40] |= {"last": "Byron", "email": f"{changed[40]['first'].lower()}.byron@example.com"}
    return changed + [person(number) for number in range(PEOPLE, PEOPLE + 10)]


def write(people: list[dict[str, str]], file: Path) -> None:
    """The HR file, put in place at once, as an export should be."""
    beside = file.with_suffix(".new")
    with beside.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(people)
    beside.rename(file)


class Demo:
    """Commands in a folder with a database and a job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADCOUNT_")}
        self.environment["HEADCOUNT_DATABASE"] = f"sqlite:///{folder / 'headcount.db'}"

    def headcount(self, *arguments: str, expected: int = 0, shows: bool = True) -> str:
        """The output of a command, which has to end with this exit code."""
        print(f"\n$ headcount {' '.join(arguments)}", flush=True)
        command = [sys.executable, "-m", "headcount", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True, check=False
        )
        lines = done.stdout.rstrip().splitlines() if shows else []
        left_out = lines[SHOWN:-SHOWN]
        print(
            "\n".join(
                [*lines[:SHOWN], *([f"      … {len(left_out)} lines"] if left_out else []), *lines[SHOWN:][-SHOWN:]]
            )
        )
        print(f"(exit code {done.returncode})", flush=True)
        if done.returncode != expected:
            sys.exit(f"The exit code should have been {expected}.")
        return done.stdout

    @contextmanager
    def server(self) -> Iterator[str]:
        """The URL of a running server on a free port."""
        command = [sys.executable, "-m", "headcount", "serve", "--port", "0", "--json", "--log-format", "json"]
        with (self.folder / "server.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        with process:
            try:
                assert process.stdout is not None
                yield str(json.loads(process.stdout.readline())["url"])
            finally:
                process.terminate()


def accounts(url: str, token: str) -> dict[str, bool]:
    """Whether each account is active, by userName, as the application itself says."""
    request = Request(f"{url}/Users?count=1000", headers={"Authorization": f"Bearer {token}"})  # noqa: S310  our server
    with urlopen(request) as answer:  # noqa: S310  our server
        return {user["userName"]: user["active"] for user in json.load(answer)["Resources"]}


def main() -> None:
    """Shows it all."""
    with tempfile.TemporaryDirectory() as name:
        demo = Demo(Path(name))
        with demo.server() as url:
            play(demo, url)


def play(demo: Demo, server: str) -> None:
    """Two files, and a look at what became of them."""
    base_url = f"{server}/t/app/scim/v2"
    demo.headcount("tenant", "create", "company")
    demo.headcount("tenant", "create", "app")
    token = json.loads(demo.headcount("token", "create", "--tenant", "app", "--name", "demo", "--json", shows=False))[
        "token"
    ]
    demo.environment["APP_TOKEN"] = token
    (demo.folder / "hr.yaml").write_text(JOB.replace("BASE_URL", base_url), "utf-8")
    before = [person(number) for number in range(PEOPLE)]
    after = a_month_later(before)

    print(f"\n== A first file: {PEOPLE} people, {len(DEPARTMENTS)} departments")
    write(before, demo.folder / "people.csv")
    demo.headcount("sync", "run", "hr.yaml")
    check(accounts(base_url, token), before, [])

    print("\n== A month later: ten joiners, ten movers, ten leavers, one new name")
    write(after, demo.folder / "people.csv")
    demo.headcount("sync", "plan", "hr.yaml", "--out", "hr.plan", expected=2)
    demo.headcount("sync", "apply", "hr.plan")
    check(accounts(base_url, token), after, before)

    print("\n== A third plan has nothing left to do")
    demo.headcount("sync", "plan", "hr.yaml")
    print("\nThe accounts are what the files say, and the last plan is empty.")


def check(found: dict[str, bool], present: list[dict[str, str]], earlier: list[dict[str, str]]) -> None:
    """Whether exactly those who are in the file have an active account; ends the demo otherwise."""
    numbers = {one["number"] for one in present}
    wanted = {one["email"]: True for one in present}
    wanted |= {one["email"]: False for one in earlier if one["number"] not in numbers}
    if found != wanted:
        sys.exit(f"The accounts are not what the file says: {set(found.items()) ^ set(wanted.items())}")
    active = sum(found.values())
    print(f"\nThe application has {active} active accounts, and {len(found) - active} inactive ones.")


if __name__ == "__main__":
    main()
