"""Headcount beside a floor and a peer, over HTTP, in one go: `python benchmarks/run.py`.

One worker each, servers on the first core and the load on the second. Every operation is measured on all servers in
turn, several rounds, so that the machine's moods hit all alike; reported are medians over the rounds and their ratios.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from operations import OPERATIONS, Job, Operation, get
from servers import HERE, Server, pinned, start_constant, start_floor, start_headcount, start_peer

CONNECTIONS = (1, 32)
HEADINGS = (
    "operation",
    "connections",
    "headcount/s",
    "median / p99 ms",
    "floor/s",
    "scim2-server/s",
    "share of the floor",
    "multiple of scim2-server",
    "the floor's multiple",
)


def measure(job: Job, connections: int, seconds: float) -> dict[str, Any]:
    """One run of the load generator."""
    times = {"connections": connections, "warm_up": seconds / 6, "seconds": seconds}
    result = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps(job | times),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=pinned(1),
    )
    figures = json.loads(result.stdout)
    if figures["unexpected"]:
        raise SystemExit(f"unexpected answers: {figures['unexpected']}")
    return figures


def compare(servers: list[Server], operation: Operation, connections: int, seconds: float, rounds: int) -> dict:
    """The medians of an operation on all servers."""
    taken: dict[str, list[dict]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            taken[server.name].append(measure(operation.job(server), connections, seconds))
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("rate", "median_ms", "p99_ms")}
        for name, runs in taken.items()
    }
    return {"operation": operation.name, "connections": connections, **medians}


def line(row: dict) -> str:
    """A row of the table."""
    own, floor, peer = (row[name]["rate"] for name in ("headcount", "floor", "scim2-server"))
    operation = OPERATIONS[row["operation"]]
    cells = (
        row["operation"],
        row["connections"],
        f"{own:,.0f}",
        f"{row['headcount']['median_ms']:.2f} / {row['headcount']['p99_ms']:.2f}",
        f"{floor:,.0f}",
        f"{peer:,.1f}",
        f"{own / floor:.2f}" + verdict(own / floor, operation.of_floor),
        f"{own / peer:.1f}" + verdict(own / peer, operation.of_peer),
        f"{floor / peer:.1f}",
    )
    return table_row(cells)


def verdict(value: float, least: float | None) -> str:
    """Whether a target is reached."""
    return "" if least is None else f" (≥ {least:g}: {'yes' if value >= least else 'no'})"


def table_row(cells) -> str:
    """A row in Markdown."""
    return f"| {' | '.join(map(str, cells))} |"


def show_ceiling(seconds: float) -> None:
    """What the load generator can do at most, against a server that does nothing."""
    server = start_constant()
    try:
        rates = [measure(get(server), connections, seconds)["rate"] for connections in CONNECTIONS]
    finally:
        server.stop()
    print(f"Ceiling of the load generator: {rates[0]:,.0f}/s with 1 connection, {rates[1]:,.0f}/s with 32.\n")


def arguments() -> argparse.Namespace:
    """What to measure, and how long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--only", choices=OPERATIONS, action="append", help="this operation only (repeatable)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures")
    return parser.parse_args()


def main() -> None:
    """Measures, and prints a table in Markdown."""
    options = arguments()
    seconds, rounds = (1.0, 1) if options.quick else (3.0, 3)
    folder = Path(tempfile.mkdtemp(prefix="headcount-benchmark-", dir=HERE.parent))
    servers: list[Server] = []
    rows = []
    try:
        show_ceiling(seconds)
        servers.append(start_headcount(folder))
        servers.append(start_floor(folder, servers[0]))
        servers.append(start_peer())
        print(table_row(HEADINGS), table_row("---" for _ in HEADINGS), sep="\n")
        for name in options.only or OPERATIONS:
            for connections in CONNECTIONS:
                rows.append(compare(servers, OPERATIONS[name], connections, seconds, rounds))
                print(line(rows[-1]), flush=True)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
