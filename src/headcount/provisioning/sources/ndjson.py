"""NDJSON files: one JSON object a line."""

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, Final, TextIO

import orjson

from headcount.provisioning.sources.files import Row, Rows, text_of, undecodable

LONGEST_LINE: Final = 1024 * 1024
"""Characters."""


def ndjson(encoding: str = "utf-8") -> Rows:
    """How an NDJSON file is read."""
    return partial(_rows, encoding)


def _rows(encoding: str, stream: BinaryIO) -> Iterator[Row]:
    text = text_of(stream, encoding)
    number = 0
    try:
        while line := text.readline(LONGEST_LINE):
            number += 1
            if not line.endswith("\n") and len(line) == LONGEST_LINE:
                _skip_rest(text)
                yield Row(number, fault=f"the line is longer than {LONGEST_LINE} characters.")
            elif line.strip():
                yield _row(line, number)
    except UnicodeDecodeError as error:
        raise undecodable(error, number) from error
    finally:
        text.detach()


def _skip_rest(text: TextIO) -> None:
    while (piece := text.readline(LONGEST_LINE)) and not piece.endswith("\n"):
        pass


def _row(line: str, number: int) -> Row:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Row(number, fault=f"it is no JSON: {error}.")
    if not isinstance(value, dict):
        return Row(number, fault="it is no JSON object.")
    return Row(number, {name: item for name, item in value.items() if item is not None})
