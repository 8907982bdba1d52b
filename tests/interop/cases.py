"""The cases of this folder: read, replayed, compared. `README.md` describes their format."""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from serving import Answer, Client

FOLDER = Path(__file__).parent
BOTH_PROFILES = {"core", "practice"}
_NAME = re.compile(r"\{(\w+)\}")
_TYPES = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}


def cases():
    """All cases with the name of their client."""
    for file in sorted(FOLDER.glob("*/*.json")):
        for case in json.loads(file.read_text("utf-8")):
            yield file.parent.name, case


def replay(client: Client, case) -> None:
    """Sends the steps of a case one after the other and checks each answer."""
    names = {"unique": uuid.uuid4().hex[:10], "uuid": str(uuid.uuid4()), "base": client.base_url}
    for step in case["steps"]:
        for answer in answers_to(client, step, names):
            check(answer, step, names)
            names |= {name: str(kept(answer, where)) for name, where in step.get("keep", {}).items()}


def answers_to(client: Client, step, names) -> list[Answer]:
    """The answer to a step, and those to what is sent at the same moment."""
    others = step.get("at once", ())
    if not others:
        return [send(client, step, names)]

    def apart(each):
        with client.apart() as other:
            return send(other, each, names)

    with ThreadPoolExecutor(len(others) + 1) as pool:
        return list(pool.map(apart, [step, *others]))


def send(client: Client, step, names) -> Answer:
    """The answer to one request."""
    method, target = step["send"].split(" ", 1)
    body = filled(step["text"], names).encode() if "text" in step else filled(step.get("body"), names)
    escaped = {name: value if name == "base" else quote(value, safe="") for name, value in names.items()}
    return client.send(method, filled(target, escaped), body, headers=filled(step.get("with", {}), names))


def check(answer: Answer, step, names) -> None:
    """Asserts everything that a step says of its answer."""
    good = step.get("status", [200, 201, 204])
    assert answer.status in (good if isinstance(good, list) else [good]), (step["send"], answer)
    for name, want in filled(step.get("headers", {}), names).items():
        assert holds(answer.headers.get(name.lower()), want), (step["send"], name, want, answer.headers)
    if answer.status != 204:
        for path, want in filled(step.get("shows", {}), names).items():
            shown = at(answer.json, path)
            assert holds(shown, want), (step["send"], path, want, shown)


def kept(answer: Answer, where: str):
    """The part of an answer that later steps use."""
    if where.startswith("header:"):
        return answer.headers[where.removeprefix("header:").lower()]
    return at(answer.json, where)


def filled(value, names):
    """The value with every name in braces replaced."""
    if isinstance(value, str):
        return _NAME.sub(lambda match: names.get(match[1], match[0]), value)
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, dict):
        return {filled(name, names): filled(item, names) for name, item in value.items()}
    return value


def at(document, path: str):
    """What stands at a path, None if nothing; a list behind `*` or a condition."""
    found, several = [document], False
    for part in path[1:].split("/"):
        name, is_condition, wanted = part.partition("=")
        several = several or part == "*" or bool(is_condition)
        if part == "*":
            found = [item for each in found for item in each or ()]
        elif is_condition:
            found = [item for each in found for item in each or () if as_text(item.get(name)) == wanted]
        elif part.isdigit():
            found = [each[int(part)] for each in found if each and len(each) > int(part)]
        else:
            found = [each[part] for each in found if isinstance(each, dict) and part in each]
    return found if several else (found[0] if found else None)


def as_text(value) -> str:
    """A value as a condition in a path writes it."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


EXPECTATIONS = {
    "absent": lambda shown, yes: (shown in (None, "", [], {}) and shown is not False) is yes,
    "a": lambda shown, kind: isinstance(shown, _TYPES[kind]) and (kind == "boolean" or not isinstance(shown, bool)),
    "has": lambda shown, item: shown is not None and item in shown,
    "lacks": lambda shown, item: shown is None or item not in shown,
    "only": lambda shown, items: sorted(map(str, shown)) == sorted(map(str, items)),
    "size": lambda shown, size: len(shown or ()) == size,
    "at least": lambda shown, least: type(shown) is int and shown >= least,
    "one of": lambda shown, values: any(is_equal(shown, value) for value in values),
    "not": lambda shown, value: not is_equal(shown, value),
    "matches": lambda shown, pattern: isinstance(shown, str) and re.search(pattern, shown) is not None,
    "any case": lambda shown, text: isinstance(shown, str) and shown.lower() == text.lower(),
}


def holds(shown, want) -> bool:
    """Whether what is shown is what is wanted."""
    if isinstance(want, dict) and len(want) == 1:
        ((name, operand),) = want.items()
        if name in EXPECTATIONS:
            return EXPECTATIONS[name](shown, operand)
    return is_equal(shown, want)


def is_equal(shown, value) -> bool:
    """JSON equality: true is not 1."""
    return isinstance(shown, bool) is isinstance(value, bool) and shown == value
