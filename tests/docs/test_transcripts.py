"""The transcripts in the documents are true: their commands run, and print what the page says.

In a block marked `console` a line that begins with `$ ` is a command, and what follows is its output, in which `…`
stands for anything. All blocks of a page run in one shell, in a folder that holds the files of the page: blocks marked
`json` with a file's name.
"""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from socket import socket

import pytest

from docs.pages import DOCS, REFERENCE, ROOT, fenced

pytestmark = pytest.mark.skipif(which("curl") is None, reason="needs curl")

END = "--- end of output ---"
PAGES = sorted(path for path in DOCS.rglob("*.md") if fenced(path.read_text("utf-8"), "console"))


def steps(text):
    """(command, expected output) of all console blocks."""
    for block in fenced(text, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            yield command, expected.strip()


def pattern_of(expected):
    return ".*?".join(map(re.escape, expected.split("…")))


def free_port():
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADCOUNT_")}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "400"}


def outputs(commands, folder):
    """What each command printed, errors included."""
    script = "\n".join(f"{command}\necho '{END}'" for command in commands)
    script = f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nexec 2>&1\n{script}\n"
    shell = ["bash", "-c", script]
    done = subprocess.run(shell, cwd=folder, env=environment(), capture_output=True, text=True, timeout=90, check=False)
    return [output.strip() for output in done.stdout.split(END)[:-1]]


def check(commands, expected, printed):
    for command, wanted, output in zip(commands, expected, printed, strict=True):
        assert re.fullmatch(pattern_of(wanted), output, re.DOTALL), f"{command}\nprinted\n{output}\nnot\n{wanted}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_commands_of_a_page_print_what_it_says(page, tmp_path):
    text = page.read_text("utf-8").replace("8000", free_port())
    for name, content in re.findall(r"^```json ([\w.-]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(content)
    commands, expected = zip(*steps(text), strict=True)
    printed = outputs(commands, tmp_path)

    assert len(commands) > 3
    check(commands, expected, printed)


@contextmanager
def quickstart(folder, *options):
    """A running quickstart: what it printed until it was ready, and its token. Its log is the file `log`."""
    command = [sys.executable, "-m", "headcount", "quickstart", "--port", "0", *options]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=log
        ) as server,
    ):
        printed = ""
        while "Ctrl-C" not in printed and (line := server.stdout.readline()):
            printed += line
        yield printed, (folder / "headcount.db.token").read_text().strip()
        server.terminate()


def test_the_picture_in_the_readme_is_what_quickstart_and_curl_print(tmp_path):
    with quickstart(tmp_path) as (printed, token):
        base_url = re.search(r"SCIM base URL +(\S+)", printed)[1]
        readme = (ROOT / "README.md").read_text("utf-8").replace("http://127.0.0.1:8000/t/acme/scim/v2", base_url)
        commands, expected = zip(*steps(readme), strict=True)
        used = [command.replace("hc_…", token) for command in commands]
        answers = outputs(used, tmp_path)

    assert [line for line in printed.splitlines() if line.startswith("curl")] == used
    check(used, expected, answers)


def test_a_line_of_the_log_has_the_members_that_the_reference_says(tmp_path):
    with quickstart(tmp_path, "--log-format", "json") as (printed, _):
        outputs([re.search(r"^curl.*", printed, re.MULTILINE)[0]], tmp_path)
    reference = (REFERENCE / "logs.md").read_text("utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (?!\w+ \|)", reference, re.MULTILINE)
    (line,) = (tmp_path / "log").read_text().splitlines()

    assert sorted(json.loads(line)) == sorted(["level", *re.findall(r"\w+", " ".join(rows))])
