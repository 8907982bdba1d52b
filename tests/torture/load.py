"""A write load that remembers what was acknowledged, and the look at what became of it.

Every writer makes users of its own, renames them, moves them in and out of one group that all writers share, and deletes
some. Of each user it knows what is certain (the last acknowledged state) and, once a request was not acknowledged, the
one state that may have come about besides; such a user is left alone from then on.
"""

import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPException
from threading import Event, Thread

from processes import LONG
from serving import PATCH_OP, user

GONE = None
"""The state of a user that does not exist."""


@dataclass(frozen=True)
class State:
    """What can be seen of one user."""

    display_name: str
    is_member: bool = False


class UnansweredError(Exception):
    """A request was refused with 503, or its connection broke: nobody knows yet what became of it."""


class Writer(Thread):
    """A client that writes without pause until it is told to stop, whatever happens to the server."""

    def __init__(self, client, number, group_id, stopped, stale):
        super().__init__(daemon=True)
        self.stale = stale
        self.client, self.number, self.group_id, self.stopped = client, number, group_id, stopped
        self.possible = {}
        """The states that each user, by userName, may be in: one, or two where an answer is missing."""
        self.ids = {}
        self.acknowledged = 0
        self.statuses = Counter()
        self.complaints = []
        self.slowest = 0.0

    def run(self):
        count = 0
        while not self.stopped.is_set():
            count += 1
            try:
                self.live(f"{self.group_id}-{self.number}-{count}", count)
            except UnansweredError:
                self.stopped.wait(0.02)
        self.client.close()

    def live(self, name, count):
        """The life of one user, request by request."""
        self.possible[name] = [GONE]
        made = self.write(name, State("new"), 201, "POST", "/Users", user(userName=name, displayName="new"))
        url = f"/Users/{made['id']}"
        self.ids[name] = made["id"]
        self.write(name, State(name), 200, "PATCH", url, _patch("replace", "displayName", name))
        self.write(name, State(name, is_member=True), 200, *self.member("add", "members", [{"value": made["id"]}]))
        if count % 3 == 0:
            self.write(name, State(name), 200, *self.member("remove", f'members[value eq "{made["id"]}"]'))
        if count % 4 == 0:
            self.write(name, GONE, 204, "DELETE", url)

    def member(self, *operation):
        return "PATCH", f"/Groups/{self.group_id}?attributes=displayName", _patch(*operation)

    def write(self, name, state, status, *request):
        """Sends a request that leads to a state of a user; gives the body once it is acknowledged."""
        self.possible[name].append(state)
        answer = self.answer(*request)
        if answer.status in self.stale:
            raise UnansweredError
        if answer.status != status:
            self.complaints.append((answer.status, request, answer.body))
            raise UnansweredError
        self.possible[name] = [state]
        self.acknowledged += 1
        return answer.json if answer.body else None

    def answer(self, *request):
        started = time.monotonic()
        try:
            answer = self.client.send(*request)
        except (OSError, HTTPException) as error:
            self.client.close()
            self.statuses[type(error).__name__] += 1
            raise UnansweredError from error
        finally:
            self.slowest = max(self.slowest, time.monotonic() - started)
        self.statuses[answer.status] += 1
        if answer.status == 503:
            if (answer.error, answer.headers.get("retry-after")) != ((503, None), "1"):
                self.complaints.append((answer.headers, answer.body))
            raise UnansweredError
        return answer


def _patch(op, path, value=None):
    operation = {"op": op, "path": path} | ({} if value is None else {"value": value})
    return {"schemas": [PATCH_OP], "Operations": [operation]}


class Load:
    """Several writers at once; statuses that are `stale` may come from a server that no longer leads, and mean nothing."""

    def __init__(self, client, writers=8, stale=()):
        self.client = client
        self.group_id = client.new_group(displayName="all")["id"]
        self._stopped = Event()
        self.writers = [
            Writer(client.apart(), number, self.group_id, self._stopped, stale) for number in range(writers)
        ]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_exception):
        self._stopped.set()
        for writer in self.writers:
            writer.join(LONG)
        assert not any(writer.is_alive() for writer in self.writers), "a request is stuck"

    @property
    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers)

    @property
    def statuses(self):
        """How often each status came, and each way in which a connection broke."""
        return sum((writer.statuses for writer in self.writers), Counter())

    @property
    def complaints(self):
        return [complaint for writer in self.writers for complaint in writer.complaints]

    @property
    def slowest(self):
        """Seconds of the slowest answer."""
        return max(writer.slowest for writer in self.writers)

    def goes_on(self, more=80, seconds=LONG):
        """Waits until so many further writes were acknowledged; gives the seconds that this took."""
        started, before = time.monotonic(), [writer.acknowledged for writer in self.writers]
        while self.acknowledged < sum(before) + more or any(
            writer.acknowledged == count for writer, count in zip(self.writers, before, strict=True)
        ):
            assert time.monotonic() - started < seconds, f"writes do not go on: {self.statuses} {self.complaints[:3]}"
            time.sleep(0.005)
        return time.monotonic() - started

    def check(self, client=None):
        """What was acknowledged is there, and nothing else than what may be; gives the number of users."""
        assert self.complaints == [], self.complaints[:5]
        with waiting((client or self.client).apart()) as fresh:
            found = {name: state for name, state in present(fresh, self.group_id).items() if self.group_id in name}
        possible = {name: states for writer in self.writers for name, states in writer.possible.items()}
        lost = {name: (found.get(name), states) for name, states in possible.items() if found.get(name) not in states}
        assert lost == {}
        assert found.keys() <= possible.keys()
        return len(found)


def present(client, group_id):
    """The state of every user, from lists of users, which name their groups; the group's own list has to agree."""
    users = everything(client, "/Users")
    of_group = {member["value"] for member in _read(client, f"/Groups/{group_id}").get("members", ())}
    states = {}
    for one in users:
        is_member = any(of["value"] == group_id for of in one.get("groups", ()))
        states[one["userName"]] = State(one["displayName"], is_member)
    assert of_group == {one["id"] for one in users if states[one["userName"]].is_member}
    return states


def everything(client, path):
    """All resources of a type, page by page; their number is the one that is stated."""
    found, query = [], {"cursor": "", "count": 500}
    while True:
        answer = _read(client, path, **query)
        found += answer["Resources"]
        if "nextCursor" not in answer:
            assert answer["totalResults"] == len(found)
            return found
        query["cursor"] = answer["nextCursor"]


def _read(client, path, **query):
    """The body of the answer to a GET; a fault that is over may still have cost a worker its connection: a 503."""
    deadline = time.monotonic() + LONG
    while (answer := client.get(path, **query)).status == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer.ok()


def waiting(client):
    """Waits until a server answers with success; gives the client."""
    deadline = time.monotonic() + LONG
    while True:
        try:
            if client.get("/Users", count=0).status == 200:
                return client
        except (OSError, HTTPException):
            client.close()
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.02)
