"""Loads a crowd with `headcount import`, and says how fast."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

from crowd import groups, one_of_the_crowd

TENANT = "bench"


def headcount(*arguments: str, url: str) -> Any:
    """What a command answers."""
    command = [sys.executable, "-m", "headcount", *arguments, "--json", "--database", url]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def load(url: str, users: int, count: int, large: int) -> dict[str, float]:
    """Makes the tenant, its users and its groups; gives users and groups a second."""
    headcount("tenant", "create", TENANT, url=url)
    return {
        "users": imported(url, map(one_of_the_crowd, range(users)), users),
        "groups": imported(url, groups(users, count, large), count + 1),
    }


def imported(url: str, bodies: Iterable[dict[str, Any]], count: int) -> float:
    """Resources a second, each of which has to go in."""
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
        file.writelines(f"{json.dumps(body)}\n" for body in bodies)
        file.flush()
        began = time.perf_counter()
        done = headcount("import", file.name, "--tenant", TENANT, url=url)
        took = time.perf_counter() - began
    if done["created"] != count:
        raise SystemExit(f"{count} resources should have gone in: {done}")
    return count / took
