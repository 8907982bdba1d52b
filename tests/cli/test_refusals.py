"""What goes wrong is one line on standard error and an exit code, whichever command meets it; never a traceback."""

import json
import sqlite3
from contextlib import closing

import pytest

from processes import refusal, run

LIST = ["tenant", "list"]
SERVE = ["serve", "--port", "0"]


def nothing(folder):
    """The folder as it is."""


def no_database(folder):
    (folder / "headcount.db").write_text("this is a letter and no database " * 100)


def another_programs(folder):
    with closing(sqlite3.connect(folder / "headcount.db")) as connection, connection:
        connection.execute("CREATE TABLE migration (version TEXT)")


def newer(folder):
    """As a later version of Headcount leaves it."""
    run(folder, "db", "migrate")
    with closing(sqlite3.connect(folder / "headcount.db")) as connection, connection:
        connection.execute("INSERT INTO migration VALUES (9999, 'later', '2030-01-01T00:00:00Z')")


def a_folder(folder):
    (folder / "headcount.db").mkdir()


@pytest.mark.parametrize(
    ("prepare", "arguments", "words"),
    [
        (nothing, [*LIST, "--database", "mysql://localhost/x"], "HEADCOUNT_DATABASE must be a URL such as"),
        (nothing, [*LIST, "--database", "sqlite:///:memory:"], "HEADCOUNT_DATABASE must be a URL such as"),
        (
            nothing,
            [*LIST, "--database", "sqlite:///nowhere/x.db"],
            "cannot create nowhere/x.db: No such file or directory",
        ),
        (nothing, [*SERVE, "--database", "sqlite:////dev/null/x.db"], "cannot create /dev/null/x.db: Not a directory"),
        (nothing, ["db", "status"], "there is no database headcount.db; 'headcount db migrate' creates it"),
        (nothing, ["db", "backup", "copy.db"], "there is no database headcount.db"),
        (no_database, LIST, "file is not a database"),
        (no_database, ["db", "status"], "file is not a database"),
        (no_database, ["db", "backup", "copy.db"], "file is not a database"),
        (another_programs, LIST, "the database holds the tables of another program"),
        (newer, LIST, "the database has migration 9999, which this version does not know; upgrade Headcount"),
        (newer, SERVE, "the database has migration 9999, which this version does not know; upgrade Headcount"),
        (a_folder, LIST, "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_and_left_as_it_is(tmp_path, prepare, arguments, words):
    prepare(tmp_path)
    before = sorted(file.name for file in tmp_path.iterdir() if file.suffix == ".db")
    code, line = refusal(run(tmp_path, *arguments))

    assert code == 1
    assert line.startswith("error: ")
    assert words in line
    assert sorted(file.name for file in tmp_path.iterdir() if file.suffix == ".db") == before


def test_a_postgresql_that_does_not_answer_is_one_line(tmp_path):
    code, line = refusal(run(tmp_path, *LIST, "--database", "postgresql://127.0.0.1:1/headcount"))

    assert (code, line.startswith("error: ")) == (1, True)


def test_scripts_get_errors_as_json_also_those_of_the_command_line_itself(tmp_path):
    failed = refusal(run(tmp_path, "tenant", "show", "nobody", "--json"))
    called_wrongly = refusal(run(tmp_path, "serve", "--workers", "0", "--json"))
    unknown = refusal(run(tmp_path, "tenant", "list", "--jsno", "--json"))

    assert (failed[0], json.loads(failed[1])) == (1, {"error": "There is no tenant 'nobody'."})
    assert (called_wrongly[0], "--workers" in json.loads(called_wrongly[1])["error"]) == (2, True)
    assert (unknown[0], "--jsno" in json.loads(unknown[1])["error"]) == (2, True)


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    done = run(tmp_path, "tenant", "create", "acme", "--display-name", b"\xff", fresh=True)

    assert refusal(done) == (2, "error: an argument is not valid UTF-8")
