"""Ids of resources: UUIDv7 (RFC 9562 §5.7), of which no two are the same."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from headcount.directory.identifiers import new_id

FORKED = """
import os
from headcount.directory.identifiers import new_id

new_id()  # what the next ones are made of is there
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, new_id().encode())
    os._exit(0)
print(os.read(reader, 36).decode(), new_id())
os.wait()
"""


def test_an_id_is_a_uuid_of_version_7_that_begins_with_the_time():
    before = time.time_ns() // 1_000_000
    identifier = UUID(new_id())
    assert (identifier.version, identifier.variant) == (7, "specified in RFC 4122")
    assert before <= identifier.int >> 80 <= time.time_ns() // 1_000_000


def test_threads_get_different_ids():
    with ThreadPoolExecutor(8) as threads:
        ids = [
            identifier
            for some in threads.map(lambda _: [new_id() for _ in range(2_000)], range(8))
            for identifier in some
        ]
    assert len({identifier[15:] for identifier in ids}) == len(ids)


def test_a_process_and_its_child_get_different_ids():
    """By what is random in them: the time may be the same."""
    printed = subprocess.run([sys.executable, "-c", FORKED], check=True, stdout=subprocess.PIPE, text=True).stdout
    child, parent = (identifier[15:] for identifier in printed.split())
    assert len(child) == len(parent) == 21
    assert child != parent
