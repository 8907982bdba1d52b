"""A request of the request log in forms that repeat it. Pure."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final

SCIM_JSON: Final = "application/scim+json"


def target_of(row: Mapping[str, Any]) -> str:
    """What was asked for: the path and the query."""
    return f"{row['path']}?{row['query']}" if row["query"] else str(row["path"])


def as_curl_command(row: Mapping[str, Any]) -> str:
    """A command for a shell, with $URL for the server and $TOKEN for the token."""
    command = f'curl -X {shlex.quote(row["method"])} -H "Authorization: Bearer $TOKEN"'
    if row.get("body") is not None:
        data = row["body"] if isinstance(row["body"], str) else json.dumps(row["body"], ensure_ascii=False)
        command += " " + shlex.join(["-H", f"Content-Type: {SCIM_JSON}", "-d", data])
    return f'{command} "$URL"{shlex.quote(target_of(row))}'


def as_test_case(row: Mapping[str, Any]) -> dict[str, Any]:
    """A case in the form of the interoperability tests: what is sent, and the status that comes back."""
    target = target_of(row).partition("/scim/v2")[2]
    step: dict[str, Any] = {"send": f"{row['method']} {target}"}
    if row.get("body") is not None:
        step["text" if isinstance(row["body"], str) else "body"] = row["body"]
    step["status"] = row["status"]
    level = "tolerant" if row["tolerations"] else "core"
    source = f"the request {row['requestId']}"
    return {"case": row["outcome"], "level": level, "seen": "observed", "source": source, "steps": [step]}
