"""A company with an HR file and sync jobs, and `headcount sync` as its administrator uses it."""

import csv
import json

from processes import answer, run

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
COLUMNS = ("number", "login", "first", "last", "title", "email", "phone", "department", "manager", "teams")
JOB = """
name: {name}
tenant: company
source: {{type: csv, path: people.csv, key: number}}
mappings:
  userName: record.login
  displayName: record.first + " " + record.last
  name.formatted: record.first + " " + record.last
  name.givenName: record.first
  name.familyName: record.last
  title: {{cel: record.title}}
  emails[type eq "work"].value: normalizeEmail(record.email)
  phoneNumbers[type eq "work"].value: {{cel: record.phone}}
  {enterprise}:department: record.department
  {enterprise}:manager: reference(record.manager)
groups: {{from: attribute, attribute: teams, separator: ";"}}
policies: {{leaver: {leaver}, guard: {{deactivate: false, delete: false, members: false, emptying: false}}}}
targets:
  app:
    type: scim
    url: {url}
    authentication: {{bearer: "${{APP_TOKEN}}"}}
    {settings}
"""
FROM_TENANT = """
name: {name}
tenant: company
source: {{type: headcount, tenant: {tenant}}}
mappings:
  userName: record.userName
  externalId: record.externalId
  active: {{cel: record.active}}
  displayName: record.displayName
  name.formatted: record.name.formatted
  name.givenName: record.name.givenName
  name.familyName: record.name.familyName
  title: {{cel: record.title}}
  emails[type eq "work"].value: record.emails[0].value
  phoneNumbers[type eq "work"].value: 'has(record.phoneNumbers) ? record.phoneNumbers[0].value : ""'
  {enterprise}:department: record["{enterprise}"].department
  {enterprise}:manager: 'has(record["{enterprise}"].manager) ? reference(record["{enterprise}"].manager.value) : ""'
groups: {{from: source}}
policies: {{leaver: {leaver}, guard: {{deactivate: false, delete: false, members: false, emptying: false}}}}
targets:
  app:
    type: scim
    url: {url}
    authentication: {{bearer: "${{OTHER_TOKEN}}"}}
    {settings}
"""


class Company:
    """An HR file and a job for an application; `then` is a further one, provisioned from the first as a tenant."""

    def __init__(self, folder, application, *, name="north", leaver="deactivate", tenant="", then=None):
        self.folder = folder
        self.name = name
        self.application = then or application
        self.people = {}
        self._settings = {"APP_TOKEN": application.token, "OTHER_TOKEN": then.token if then else ""}
        self._jobs = [self._write_job(name, JOB, application, leaver)]
        if then:
            self._jobs.append(self._write_job(f"{name}-on", FROM_TENANT, then, leaver, tenant=tenant))

    def _write_job(self, name, text, application, leaver, **more):
        file = self.folder / f"{name}.yaml"
        values = {"name": name, "leaver": leaver, "enterprise": ENTERPRISE, **more}
        file.write_text(text.format(url=application.url, settings=application.settings, **values), "utf-8")
        return str(file)

    def hire(self, number, **values):
        """A new row of the HR file."""
        row = {
            "number": str(number),
            "login": f"{self.name}{number}",
            "first": f"First{number}",
            "last": f"Last{number}",
            "title": "Employee",
            "email": f"{self.name}{number}@example.com",
            "phone": "",
            "department": "Works",
            "manager": "",
            "teams": self.team("All"),
        }
        self.people[number] = row | values

    def change(self, number, **values):
        """A row of the HR file as it is from now on."""
        self.people[number] = self.people[number] | values

    def leave(self, number):
        """A row goes, and is given back."""
        return self.people.pop(number)

    def rehire(self, row, **values):
        """A row that was there before."""
        self.people[int(row["number"])] = row | values

    def team(self, *names):
        """Groups with names that no other company has, as the HR file writes them."""
        return ";".join(f"{self.name} {name}" for name in names)

    def sync(self):
        """Runs the jobs; (action, count) of what the last one did. Whatever was not done fails."""
        self._publish()
        for job in self._jobs:
            result = self._command("run", job)
            assert result["exitCode"] == 0, result
            assert not result["targets"][0]["problems"], result
        return result["targets"][0]["applied"]["actions"]

    def plan_and_apply(self):
        """The same, in two steps: what was planned is what is done."""
        self._publish()
        for job in self._jobs:
            planned = self._command("plan", job)
            assert planned["exitCode"] == 2, planned
            result = self._command("apply", planned["plan"])
            assert result["exitCode"] == 0, result
            assert not result["targets"][0]["problems"], result
        return result["targets"][0]["applied"]["actions"]

    def planned(self):
        """The name of a plan of the last job, which is not carried out yet."""
        self._publish()
        for job in self._jobs[:-1]:
            assert self._command("run", job)["exitCode"] == 0
        return self._command("plan", self._jobs[-1])["plan"]

    def applied(self, plan):
        """What came of a plan."""
        return self._command("apply", plan)["targets"][0]

    def pending(self):
        """The changes that are planned now, for all jobs, as the source is read in part and in full."""
        self._publish()
        found = []
        for job in self._jobs:
            for options in ((), ("--full",)):
                result = self._command("plan", job, *options)
                found += result["targets"][0]["plan"]["changes"]
                assert result["exitCode"] == (2 if found else 0), result
        return found

    def drifted(self):
        """What somebody else changed at the target, as far as our side knows."""
        plans = [self._command("drift", job)["targets"][0]["plan"] for job in self._jobs]
        return [change for plan in plans for change in plan["drift"]]

    def orphans(self):
        """Ids of accounts at the last application that belong to nobody in the source."""
        return [row["id"] for row in self._command("orphans", self._jobs[-1])]

    def reviews(self):
        """Who waits for a human."""
        return self._command("review", self._jobs[-1])

    def link(self, key, identifier):
        """A human says whose an account is."""
        self._command("review", self._jobs[-1], key, "--target", "app", "--link", identifier)

    def run(self):
        """What a run of the last job says, whatever it is."""
        self._publish()
        return [self._command("run", job)["targets"][0] for job in self._jobs][-1]

    def _publish(self):
        """Writes the HR file, at once."""
        beside = self.folder / "people.new"
        with beside.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            writer.writerows(self.people.values())
        beside.rename(self.folder / "people.csv")

    def _command(self, *words):
        done = run(self.folder, "sync", *words, "--json", settings=self._settings)
        assert done.returncode in (0, 2, 3) or done.stdout, done
        return json.loads(done.stdout)


def company_folder(folder):
    """A folder with an installation whose tenant `company` owns the jobs."""
    answer(folder, "tenant", "create", "company")
    return folder


def accounts_at(company):
    """What the application shows of the people of a company: login → (active, name, title, e-mail, telephone, department)."""
    shown = {}
    for user in company.application.everybody("/Users"):
        if user["userName"].startswith(company.name):
            extension = user.get(ENTERPRISE, {})
            shown[user["userName"]] = (
                user.get("active", True),
                user["name"]["formatted"],
                user.get("title"),
                *(values_of(user, "emails") or [None]),
                *(values_of(user, "phoneNumbers") or [None]),
                extension.get("department"),
            )
    return shown


def values_of(user, attribute):
    return [item["value"] for item in user.get(attribute, [])]


def account_of(row, *, active=True):
    """The same, as the HR file wants it."""
    name = f"{row['first']} {row['last']}"
    return (active, name, row["title"] or None, row["email"], row["phone"] or None, row["department"])


def ids_at(company):
    """Login → id."""
    users = company.application.everybody("/Users")
    return {user["userName"]: user["id"] for user in users if user["userName"].startswith(company.name)}


def managers_at(company):
    """Login → login of the manager."""
    names = {identifier: login for login, identifier in ids_at(company).items()}
    users = company.application.everybody("/Users")
    found = {user["userName"]: user.get(ENTERPRISE, {}).get("manager", {}).get("value") for user in users}
    return {login: names[manager] for login, manager in found.items() if manager in names}


def teams_at(company):
    """The application's groups of a company: name → logins. Some show members by id, some by login."""
    names = {identifier: login for login, identifier in ids_at(company).items()}
    return {
        group["displayName"]: {names.get(member["value"], member["value"]) for member in group.get("members") or []}
        for group in company.application.everybody("/Groups")
        if group["displayName"].startswith(f"{company.name} ")
    }


def teams_of(company, logins):
    """The same, as the HR file wants it; `logins` by number."""
    teams = {}
    for number, row in company.people.items():
        for team in filter(None, row["teams"].split(";")):
            teams.setdefault(team, set()).add(logins[number])
    return teams
