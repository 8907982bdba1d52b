"""What the log says of a defect: where it happened, and nothing of what the request carried."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import structlog
from headcount.http.logs import configure_logs

def fail(password, authorization):
    local = password + authorization
    raise ZeroDivisionError(str(len(local)))

configure_logs(sys.argv[1], "info")
secrets = [part * 2 for part in ("open-sesame-", "hc_bearer-")]
try:
    fail(*secrets)
except ZeroDivisionError:
    structlog.get_logger().exception("request_failed", request_id="r-1", password=secrets[0])
"""
SECRETS = ("open-sesame-open-sesame-", "hc_bearer-hc_bearer-")


def log_of_a_failure(log_format):
    command = [sys.executable, "-c", PROGRAM, log_format]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stderr


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_holds_no_local_variables(log_format):
    log = log_of_a_failure(log_format)

    assert "ZeroDivisionError" in log
    assert [secret for secret in SECRETS if secret in log] == []


def test_a_traceback_in_json_is_part_of_the_one_line_of_its_event():
    (line,) = log_of_a_failure("json").splitlines()
    event = json.loads(line)

    assert (event["event"], event["level"], event["request_id"]) == ("request_failed", "error", "r-1")
    assert event["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert [frame["name"] for frame in event["exception"][0]["frames"]] == ["<module>", "fail"]
