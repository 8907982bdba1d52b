"""A directory of a million, over HTTP, beside one of a thousand: `python benchmarks/scale.py`.

PostgreSQL and SQLite are loaded with a million users, ten thousand groups and a group of a hundred thousand, and asked
the hot set; then PostgreSQL is held against what it reaches with nothing in front of it. `--small` takes 20,000 users.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

from directories import Client, Size, memory, serve, survey, walk
from loading import load
from questions import READING, WRITING, Directory, Job, Question
from servers import HERE, Server, free_port, start
from statements import STATEMENTS, batched, pgbench

from headcount.testing.postgresql import PostgresqlServer, temporary_postgresql

BIG = Size(1_000_000, 10_000, 100_000)
MEDIUM = Size(20_000, 200, 2_000)
LITTLE = Size(1_000, 10, 500)
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}
ROUNDS = 2
TURNS = 3
BETWEEN_LOOKS = 8.0
"""Seconds between two looks at whether anything is still to be done, of so many at most."""
MOST_LOOKS = 200
IDLE = 0.9
"""The share of the processors' time that says that nothing is."""
CONNECTIONS = (32, 64)
"""Of the comparison of two workers with one, which is one of what each can do at its best."""
WORKERS = {1: "one worker", 2: "two workers"}
POINTS = tuple(question for question in READING if question.is_point)
GET, CREATE = READING[0], WRITING[0]
RAW = "get by id, raw ASGI application, 32 connections"
SECONDS = 0.6
FEW = 3
"""Requests of each question when its plans are looked at."""
TOLD_WITHIN = 11.0
"""Seconds within which an idle process of PostgreSQL tells what it has counted, and one more."""
LARGE_TABLES = ("resource", "change", "membership", "indexed_value", "external_id")
STREAMS = 5
MOST_MIB = 200

Figures = dict[str, Any]


def measure(job: Job, connections: int = 1, seconds: float = SECONDS, **more: Any) -> Figures:
    """One run of the load generator, which sleeps where its processor is needed by the servers."""
    times = {"connections": connections, "warm_up": seconds / 6, "seconds": seconds, "patient": connections > 1}
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps(job | times | more),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout)
    if any("tooMany" not in answer for answer in figures["unexpected"]):
        raise SystemExit(f"unexpected answers: {figures['unexpected']}")
    return figures


def asked(questions: tuple[Question, ...], directories: list[Directory]) -> dict[str, list[Figures]]:
    """The figures of each question for each directory: medians over rounds in which the directories take turns."""
    runs: dict[str, list[list[Figures]]] = {question.name: [[] for _ in directories] for question in questions}
    for _ in range(ROUNDS):
        for question in questions:
            for place, found in enumerate(directories):
                job = question.job(found)
                most = {}
                if question.changes_members:
                    undone = runs[question.undoes][place][-1]["requests"] if question.undoes else len(job["values"])
                    most = {"most": undone, "warm_up": 0}
                runs[question.name][place].append(measure(job, **most))
    return {name: [median_of(some) for some in places] for name, places in runs.items()}


def median_of(runs: list[Figures]) -> Figures:
    """The medians of several runs, and whether the database took longer than a search may."""
    medians = {key: statistics.median(run[key] for run in runs) for key in ("rate", "median_ms", "p99_ms")}
    return medians | {"refused": any(run["unexpected"] for run in runs)}


class Report:
    """What was measured, printed as it comes and kept for `--json`."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}
        self.missed: list[str] = []

    def title(self, text: str) -> None:
        """A heading."""
        print(f"\n### {text}\n", flush=True)

    def row(self, *cells: object) -> None:
        """A row of a table in Markdown."""
        print(f"| {' | '.join(map(str, cells))} |", flush=True)

    def head(self, *cells: str) -> None:
        """The first rows of a table."""
        self.row(*cells)
        self.row(*("---" for _ in cells))

    def target(self, what: str, value: float, bound: float, *, at_most: bool = False) -> None:
        """A figure and whether it reaches its target."""
        reached = value <= bound if at_most else value >= bound
        if not reached:
            self.missed.append(what)
        self.figures[what] = value
        self.row(what, f"{value:.2f}", f"{'≤' if at_most else '≥'} {bound:g}", "yes" if reached else "**no**")


def answer_times(report: Report, name: str, directories: list[Directory]) -> dict[str, list[Figures]]:
    """Every question at both sizes."""
    found = asked(READING + WRITING, directories)
    report.title(f"{name}: {' and '.join(f'{some.size:,}' for some in directories)} users, median / p99 in ms")
    report.head("question", *(f"{some.size:,}" for some in directories), "ratio of medians")
    for question, places in found.items():
        shown = [
            f"{figures['median_ms']:.2f} / {figures['p99_ms']:.2f}" + (" (`tooMany`)" if figures["refused"] else "")
            for figures in places
        ]
        report.row(question, *shown, f"{places[0]['median_ms'] / places[-1]['median_ms']:.2f}")
    report.figures[name] = found
    return found


def ratios(report: Report, name: str, found: dict[str, list[Figures]]) -> None:
    """The targets on answer times."""

    def median(question: str, place: int = 0) -> float:
        return float(found[question][place]["median_ms"])

    report.title(f"{name}: targets")
    report.head("ratio", "value", "target", "reached")
    for question in READING:
        if question.is_point:
            ratio = median(question.name) / median(question.name, 1)
            report.target(f"{name}, {question.name}: at a million to at a thousand", ratio, 1.5, at_most=True)
    for question in WRITING:
        if "very many" in question.name:
            ratio = median(question.name) / median(question.name.replace("very many", "100"))
            report.target(f"{name}, {question.name}: to the same in a group of 100", ratio, 1.5, at_most=True)
    ratio = median("last page by cursor") / median("first page by cursor")
    report.target(f"{name}, last page by cursor to the first", ratio, 1.5, at_most=True)


def streamed(found: Directory) -> tuple[float, int]:
    """The median of the seconds that the large group with all its members takes, and its bytes."""
    client, times, size = Client(found.server), [], 0
    for _ in range(STREAMS):
        began = time.perf_counter()
        size = len(client.text(f"/Groups/{found.server.group}"))
        times.append(time.perf_counter() - began)
    return statistics.median(times), size


def in_memory(report: Report, name: str, found: Directory) -> None:
    """What the worker takes while it reads, writes, searches and streams the large group at once."""
    getting = READING[0].job(found)
    with tempfile.TemporaryFile() as out:
        stream = {
            "template": f"GET {found.server.base}/Groups/{found.server.group} HTTP/1.1\r\nhost: x\r\nauthorization: "
            f"Bearer {found.server.token}\r\n\r\n"
        }
        job = getting | stream | {"connections": 4, "warm_up": 0, "seconds": 4, "patient": True}
        streams = subprocess.Popen([sys.executable, str(HERE / "load.py")], stdin=subprocess.PIPE, stdout=out)
        assert streams.stdin is not None
        streams.stdin.write(json.dumps(job).encode())
        streams.stdin.close()
        for question in (READING[0], READING[10], WRITING[0]):
            measure(question.job(found), connections=32, seconds=1)
        streams.wait()
    used = memory(found.server)
    own = used["VmHWM"] if name == "PostgreSQL" else used["RssAnon"]
    report.target(f"{name}, MiB of memory of the worker under load", own, MOST_MIB, at_most=True)


@contextmanager
def served(url: str, size: Size, workers: int = 1) -> Iterator[Directory]:
    """The directory in a database, behind a server."""
    server = serve(url, workers)
    try:
        yield survey(server, size)
    finally:
        server.stop()


def questions(
    report: Report, name: str, urls: list[str], sizes: list[Size], scans: Callable[[], int] | None = None
) -> None:
    """The hot set on one kind of database, with both sizes served at once; with how its scans are counted, if it says."""
    with served(urls[0], sizes[0]) as large, served(urls[1], sizes[1]) as little:
        began = time.perf_counter()
        for found in (large, little):
            walk(found)
        walked = time.perf_counter() - began
        ratios(report, name, answer_times(report, name, [large, little]))
        seconds, size = streamed(large)
        in_memory(report, name, large)
        if scans is not None:
            read_through(report, large, scans)
    print(f"\nA walk through everybody by cursor: {sizes[0].users / walked:,.0f} users/s. ", end="")
    print(f"The large group with all its members: {seconds:.2f} s for {size / 1e6:.1f} MB.")


def settle(url: str) -> None:
    """Serves a directory until all is done that an import leaves behind: positions, the audit, the database's cleaning."""
    server = serve(url)
    try:
        for _ in range(MOST_LOOKS):
            before = idle_seconds()
            time.sleep(BETWEEN_LOOKS)
            if idle_seconds() - before > IDLE * BETWEEN_LOOKS * (os.cpu_count() or 1):
                return
    finally:
        server.stop()


def idle_seconds() -> float:
    """How long the processors have had nothing to do, together."""
    idle, waiting = Path("/proc/stat").read_text().split(maxsplit=6)[4:6]
    return (int(idle) + int(waiting)) / os.sysconf("SC_CLK_TCK")


def loaded(report: Report, name: str, url: str, size: Size, bare: float | None = None) -> None:
    """Fills the large directory."""
    rates = load(url, *astuple(size))
    print(f"{name}: {rates['users']:,.0f} users/s, {rates['groups']:,.0f} groups/s", flush=True)
    if bare is not None:
        report.head("ratio", "value", "target", "reached")
        report.target(f"{name}, import to the bare batched statement ({bare:,.0f}/s)", rates["users"] / bare, 0.4)
    report.figures[f"{name}, load"] = rates


def against_the_database(report: Report, server: PostgresqlServer, url: str, size: Size, seconds: float) -> None:
    """Over HTTP against the database with nothing in front of it, and two workers against one."""
    taken: defaultdict[str, list[float]] = defaultdict(list)
    in_turns(taken, POINTS, url, size, seconds)
    with served(url, size) as found:
        taken[RAW] = [raw(url, found, seconds) for _ in range(TURNS)]
    in_turns(taken, (CREATE,), url, size, seconds)
    names = list(STATEMENTS)
    for _ in range(TURNS):
        for name in names:
            rate = pgbench(server.program("pgbench"), url, STATEMENTS[name], 32, round(seconds))
            taken[f"create in pgbench, 32 clients, {name}"].append(rate)
        names.reverse()  # the first one after a checkpoint writes whole pages
    medians = {name: statistics.median(values) for name, values in taken.items()}
    report.title("PostgreSQL: what stands in front of it")
    report.head("what", "a second")
    for name, value in medians.items():
        report.row(name, f"{value:,.0f}")
    print()
    report.head("ratio", "value", "target", "reached")
    against_nothing(report, medians)
    against_one_worker(report, medians)


def over_http(question: Question, connections: int, workers: int) -> str:
    """What a rate is the rate of."""
    return f"{question.name} over HTTP, {connections} connections, {WORKERS[workers]}"


def against_nothing(report: Report, medians: dict[str, float]) -> None:
    """The targets on what stands in front of the database."""
    function, tables = (medians[f"create in pgbench, 32 clients, {name}"] for name in STATEMENTS)
    create, get = (medians[over_http(question, 32, 1)] for question in (CREATE, GET))
    report.target("create over HTTP to pgbench with the same statement", create / function, 0.5)
    report.target("the server function to one statement over all tables", function / tables, 0.9)
    report.target("get by id to the raw ASGI application", get / medians[RAW], 0.6)


def against_one_worker(report: Report, medians: dict[str, float]) -> None:
    """The targets on two workers. Reads are the point reads, as many of each; either has as many clients as suit it."""

    def best(questions: tuple[Question, ...], workers: int) -> float:
        return max(
            statistics.harmonic_mean([medians[over_http(question, connections, workers)] for question in questions])
            for connections in CONNECTIONS
        )

    for what, questions, least in (("reads", POINTS, 1.25), ("writes", (CREATE,), 0.9)):
        report.target(f"two workers to one, {what}", best(questions, 2) / best(questions, 1), least)


def in_turns(
    taken: dict[str, list[float]], questions: tuple[Question, ...], url: str, size: Size, seconds: float
) -> None:
    """How often one worker and two answer questions in a second."""
    for _ in range(TURNS):
        for workers in WORKERS:
            with served(url, size, workers) as found:
                for connections in CONNECTIONS:
                    for question in questions:
                        figures = measure(question.job(found), connections=connections, seconds=seconds)
                        taken[over_http(question, connections, workers)].append(figures["rate"])


def raw(url: str, found: Directory, seconds: float) -> float:
    """Reads a second of the raw ASGI application."""
    port = free_port()
    process = start([str(HERE / "single.py"), str(port), url], port, core=None)
    try:
        job = GET.job(found) | {"port": port}
        return float(measure(job, connections=32, seconds=seconds)["rate"])
    finally:
        Server("single", port, process).stop()


def read_through(report: Report, found: Directory, scans: Callable[[], int]) -> None:
    """How often the questions of the hot set make the database read through one of its large tables."""
    before = scans()
    for question in READING + WRITING:
        if question.has_index:
            measure(question.job(found), most=FEW, warm_up=0)
    report.target("tables read through by the questions that have an index", scans() - before, 0, at_most=True)


def sequential_scans(server: PostgresqlServer) -> int:
    """So far, as soon as every process of the database has told of its own."""
    time.sleep(TOLD_WITHIN)
    return int(server.sql(f"SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN {LARGE_TABLES}", "big"))


def on_postgresql(report: Report, size: Size, seconds: float) -> None:
    """Everything on PostgreSQL."""
    with temporary_postgresql(settings=SETTINGS) as server:
        big, little, bare = (server.create_database(name) for name in ("big", "little", "bare"))
        report.title("PostgreSQL: load")
        load(bare, *astuple(LITTLE))
        count = min(20_000, size.users)
        rate = asyncio.run(batched(bare, 2_000_000, count))
        loaded(report, "PostgreSQL", big, size, rate)
        load(little, *astuple(LITTLE))
        for url in (big, little):
            settle(url)
        for name in ("big", "little"):
            server.sql("VACUUM (ANALYZE)", name)
        print(server.sql(SIZES, "big"))
        questions(report, "PostgreSQL", [big, little], [size, LITTLE], partial(sequential_scans, server))
        against_the_database(report, server, big, size, seconds)


def on_sqlite(report: Report, size: Size, folder: Path) -> None:
    """Everything on SQLite."""
    big, little = (f"sqlite:///{folder / name}.db" for name in ("big", "little"))
    report.title("SQLite: load")
    loaded(report, "SQLite", big, size)
    load(little, *astuple(LITTLE))
    for url in (big, little):
        settle(url)
    print(f"{(folder / 'big.db').stat().st_size / 1e6:,.0f} MB")
    questions(report, "SQLite", [big, little], [size, LITTLE])


SIZES = """SELECT string_agg(relname || ' ' || pg_size_pretty(pg_total_relation_size(oid)), ', '
    ORDER BY pg_total_relation_size(oid) DESC)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_total_relation_size(oid) > 2000000"""


def arguments() -> argparse.Namespace:
    """How large, and on what."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="20,000 users, for a quick look")
    parser.add_argument("--only", choices=("postgresql", "sqlite"), help="one kind of database")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures")
    return parser.parse_args()


def main() -> None:
    """Measures, and prints tables in Markdown."""
    options = arguments()
    size = MEDIUM if options.small else BIG
    report = Report()
    if options.only != "sqlite":
        on_postgresql(report, size, 1.0 if options.small else 4.0)
    if options.only != "postgresql":
        with tempfile.TemporaryDirectory(prefix="headcount-scale-", dir=HERE.parent) as folder:
            on_sqlite(report, size, Path(folder))
    report.title("Missed")
    print("\n".join(f"- {what}" for what in report.missed) or "Nothing.")
    if options.json:
        options.json.write_text(json.dumps(report.figures, indent=1))


if __name__ == "__main__":
    main()
