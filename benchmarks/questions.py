"""What is asked of a large directory: the hot set, one line each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from crowd import RARE_DOMAIN, TITLES, name_of
from operations import Job, job
from people import PATCH, USER_NAME, person
from servers import Server

PAGE = 100


@dataclass
class Directory:
    """A directory behind a running server, and samples of what is in it."""

    server: Server
    size: int
    numbers: list[int] = field(default_factory=list)
    """Of people, spread over the whole directory; their ids are `server.people`."""
    groups: list[str] = field(default_factory=list)
    """Ids of groups with a hundred members. The large group is `server.group`, who is in none is in `server.spare`."""
    instant: str = ""
    """Nine of ten people were modified before it."""
    cursors: dict[str, str] = field(default_factory=dict)
    """By place: of the middle and the last page."""


@dataclass(frozen=True)
class Question:
    """One line of the report."""

    name: str
    job: Callable[[Directory], Job]
    is_point: bool = False
    """Whether the time at a million is held against that at a thousand."""
    undoes: str = ""
    """The question whose changes this one takes back: as many requests as that one had."""
    changes_members: bool = False
    """Whether each of its values is good for one request."""
    has_index: bool = True
    """Whether the database finds what it asks for without reading through a large table."""


def people(path: str, values: Callable[[Directory], list[str]] | None = None) -> Callable[[Directory], Job]:
    """GET below /Users; `{v}` stands for one of the values."""
    return lambda found: job(found.server, "GET", f"/Users{path}", values=values and values(found))


def filtered(text: str, values: Callable[[Directory], list[str]] | None = None, more: str = "") -> Callable:
    """A search; the filter as people write it."""
    return people("?filter=" + quote(text, safe="{}") + more, values)


def paged(place: str) -> Callable[[Directory], Job]:
    """A page of the walk by cursor."""
    return lambda found: job(found.server, "GET", f"/Users?count={PAGE}&cursor={found.cursors[place]}")


def indexed(share: float) -> Callable[[Directory], Job]:
    """A page by index, so far into the directory."""
    return lambda found: job(
        found.server, "GET", f"/Users?count={PAGE}&startIndex={max(int(found.size * share) - PAGE, 0) + 1}"
    )


def member(operation: str, *, large: bool, excluded: bool) -> Callable[[Directory], Job]:
    """One member more, or less. Groups of a hundred take turns, so that they stay as small as they are."""

    def made(found: Directory) -> Job:
        who = "{v}" if large else found.server.spare[0]
        change = (
            {"op": "add", "path": "members", "value": [{"value": who}]}
            if operation == "add"
            else {"op": "remove", "path": f'members[value eq "{who}"]'}
        )
        group, values = (found.server.group, found.server.spare) if large else ("{v}", found.groups)
        path = f"/Groups/{group}" + ("?excludedAttributes=members" if excluded else "")
        return job(found.server, "PATCH", path, {"schemas": [PATCH], "Operations": [change]}, values)

    return made


def names(found: Directory) -> list[str]:
    """User names."""
    return [quote(USER_NAME.format(number=number)) for number in found.numbers]


def padded(found: Directory) -> list[str]:
    """External ids, and what user names have between `person-` and `@`."""
    return [f"{number:012d}" for number in found.numbers]


def middles(found: Directory) -> list[str]:
    """Middle names: a part of a display name that few people share."""
    return [name_of(number).split()[1].lower() for number in found.numbers]


def thousands(found: Directory) -> list[str]:
    """What the user names of a thousand people begin with."""
    return [f"{number // 1000:09d}" for number in found.numbers]


def create(found: Directory) -> Job:
    """POST of a full enterprise user."""
    return job(found.server, "POST", "/Users", person("new-{n}@example.com", "{n}"))


def patch(found: Directory) -> Job:
    """PATCH of one attribute."""
    change = {"op": "replace", "path": "displayName", "value": "Babs {n}"}
    return job(found.server, "PATCH", "/Users/{v}", {"schemas": [PATCH], "Operations": [change]}, found.server.people)


def groups_of(found: Directory) -> Job:
    """The groups that somebody is in."""
    text = quote('members.value eq "{v}"', safe="{}")
    return job(found.server, "GET", f"/Groups?filter={text}&excludedAttributes=members", values=found.server.people)


def large_group(found: Directory) -> Job:
    """The large group without its members."""
    return job(found.server, "GET", f"/Groups/{found.server.group}?excludedAttributes=members")


def titles(_found: Directory) -> list[str]:
    """Titles of which each is held by one in five hundred."""
    return [quote(f"Specialist {number:03d}") for number in range(0, TITLES, 7)]


READING = (
    Question("get by id", people("/{v}", lambda found: found.server.people), is_point=True),
    Question('`userName eq "…"`', filtered('userName eq "{v}"', names), is_point=True),
    Question('`externalId eq "…"`', filtered('externalId eq "{v}"', padded), is_point=True),
    Question('`emails.value eq "…"`', filtered('emails.value eq "person-{v}@example.com"', padded), is_point=True),
    Question(
        '`emails[type eq "work" and value co "@x"]`, one of 1,000 has it',
        filtered(f'emails[type eq "work" and value co "@{RARE_DOMAIN[0]}"]'),
    ),
    Question('`displayName co "…"`, a rare middle name', filtered('displayName co "{v}"', middles)),
    Question('`displayName co "smith"`, one of 11 has it', filtered('displayName co "smith"')),
    Question('`userName sw "…"`, 1,000 people', filtered('userName sw "person-{v}"', thousands)),
    Question(
        "`meta.lastModified gt …` with a cursor, one of 10",
        lambda found: filtered(f'meta.lastModified gt "{found.instant}"', more=f"&count={PAGE}&cursor=")(found),
    ),
    Question('`active eq true and title eq "…"`, one of 555', filtered('active eq true and title eq "{v}"', titles)),
    Question("first page by cursor", people(f"?count={PAGE}&cursor=")),
    Question("middle page by cursor", paged("middle")),
    Question("last page by cursor", paged("last")),
    Question("first page by index", indexed(0)),
    Question("middle page by index", indexed(0.5)),
    Question("last page by index", indexed(1)),
    Question("the large group with `excludedAttributes=members`", large_group, is_point=True),
    Question('`members.value eq "…"`', groups_of, is_point=True),
    Question('an attribute without an index: `nickName eq "Rare"`', filtered('nickName eq "Rare"'), has_index=False),
)
"""Every question that changes nothing."""

WRITING = (
    Question("create", create),
    Question("PATCH of one attribute", patch),
    *(
        Question(
            f"{operation} one member, group of {who}" + (", `excludedAttributes=members`" if excluded else ""),
            member(operation, large=large, excluded=excluded),
            undoes=f"add one member, group of {who}" + (", `excludedAttributes=members`" if excluded else "")
            if operation == "remove"
            else "",
            changes_members=True,
        )
        for excluded in (False, True)
        for operation in ("add", "remove")
        for large, who in ((False, "100"), (True, "very many"))
    ),
)
"""Every question that changes something."""
