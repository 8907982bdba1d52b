"""Runs commands of `headcount`, each in a process forked from this one, which has done the importing already.

Each line of standard input is a JSON object that says what a new process inherits: arguments, folder, environment, and
a file for each of the three standard streams. Each line of standard output is the exit code.
"""

import json
import os
import sys

from headcount.cli import main


def become(call):
    """Makes this process the command."""
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for number, file in enumerate(call["streams"]):
        os.dup2(os.open(file, os.O_WRONLY if number else os.O_RDONLY), number)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.argv = ["headcount", *call["arguments"]]
    main()


if __name__ == "__main__":
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201
