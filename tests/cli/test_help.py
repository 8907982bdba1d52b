"""Every command teaches: it says in sentences what it does, and those that take something show an example."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from processes import LONG, environment, run

PAGES = """
import sys, contextlib, io
from headcount.cli import app
for line in sys.stdin.read().splitlines():
    print("=====", line)
    with contextlib.suppress(SystemExit):
        app([*line.split(), "--help"])
"""
GROUPS = {
    "": {"serve", "quickstart", "tenant", "token", "schema", "db"},
    "tenant": {"create", "list", "show", "update", "delete"},
    "token": {"create", "list", "revoke"},
    "schema": {"add", "list", "remove"},
    "db": {"migrate", "status", "backup"},
}
WITH_EXAMPLE = [
    "serve",
    "tenant create",
    "tenant update",
    "token create",
    "token revoke",
    "schema add",
    "schema remove",
    "db backup",
]
LEAVES = [
    "serve",
    "quickstart",
    *(f"{group} {leaf}" for group, leaves in GROUPS.items() if group for leaf in sorted(leaves)),
]


@pytest.fixture(scope="module")
def pages():
    """The help of every command, from one process."""
    names = [*GROUPS, *LEAVES]
    done = subprocess.run(
        [sys.executable, "-c", PAGES],
        input="\n".join(names),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=LONG,
        check=True,
    )
    parts = done.stdout.split("===== ")[1:] if names[0] else done.stdout.split("=====")[1:]
    return dict(zip(names, parts, strict=True))


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands_each_with_a_sentence(pages, group):
    lines = [line.strip("│ \n").split(maxsplit=1) for line in pages[group].split("Commands")[1].splitlines()]
    listed = {line[0]: line[1] for line in lines if len(line) == 2}

    assert listed.keys() >= GROUPS[group]
    assert [text for text in listed.values() if not text.endswith(".")] == []


@pytest.mark.parametrize("command", LEAVES)
def test_a_command_says_how_to_name_the_database_and_how_scripts_read_it(pages, command):
    assert "--database" in pages[command]
    assert "HEADCOUNT_DATABASE" in pages[command]
    assert "--json" in pages[command]


@pytest.mark.parametrize("command", WITH_EXAMPLE)
def test_a_command_that_takes_something_shows_an_example(pages, command):
    assert f"Example: headcount {command} " in pages[command]


def test_help_comes_from_the_command_itself_too_and_needs_no_database(tmp_path):
    named = run(tmp_path, "token", "create", "-h", fresh=True)
    unasked = run(tmp_path, fresh=True)

    assert (named.returncode, "Example: headcount token create --tenant acme" in named.stdout) == (0, True)
    assert (unasked.returncode, "headcount quickstart" in unasked.stdout) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_the_installed_one(tmp_path):
    assert run(tmp_path, "--version", fresh=True).stdout == f"headcount {version('headcount')}\n"
