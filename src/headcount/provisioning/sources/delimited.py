"""CSV files: one record a line, columns by the names in the heading. An empty cell is an empty text."""

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, Final

from headcount.provisioning.records import SourceError
from headcount.provisioning.sources.files import Row, Rows, text_of, undecodable

_SEPARATORS: Final = ",;\t|"
_MOST_COLUMNS: Final = 1_000


def delimited(key: str, encoding: str = "utf-8", separator: str = "") -> Rows:
    """How a CSV file is read; without a separator it is the one that the heading has most of."""
    return partial(_rows, key, encoding, separator)


def _rows(key: str, encoding: str, separator: str, stream: BinaryIO) -> Iterator[Row]:
    text = text_of(stream, encoding)
    line = 0
    try:
        heading = text.readline()
        text.seek(0)
        reader = csv.reader(text, delimiter=separator or _separator_of(heading), strict=True)
        columns = _checked([name.strip() for name in next(reader, [])], key)
        line = reader.line_num
        for cells in reader:
            if cells:
                yield _row(columns, cells, line + 1, columns.index(key))
            line = reader.line_num
    except UnicodeDecodeError as error:
        raise undecodable(error, line) from error
    except csv.Error as error:
        raise SourceError(f"The file is no CSV after line {line}: {error}.") from error
    finally:
        text.detach()


def _row(columns: list[str], cells: list[str], line: int, key: int) -> Row:
    if len(cells) == len(columns):
        return Row(line, dict(zip(columns, cells, strict=True)))
    fault = f"there are {len(cells)} columns, and the heading has {len(columns)}; a value may need quotes."
    return Row(line, {columns[key]: cells[key]} if key < len(cells) else {}, fault)


def _separator_of(heading: str) -> str:
    unquoted = "".join(heading.split('"')[::2])
    counts = Counter(character for character in unquoted if character in _SEPARATORS)
    return max(_SEPARATORS, key=lambda separator: counts[separator])


def _checked(columns: list[str], key: str) -> list[str]:
    """The names of the columns; raises SourceError when they cannot be told apart, or none is the key."""
    if any("\0" in name for name in columns):
        raise SourceError(
            "The heading holds NUL characters: the file may be UTF-16. Say `encoding: utf-16` in the job."
        )
    if not columns or len(columns) > _MOST_COLUMNS:
        raise SourceError("The file is empty." if not columns else f"There are more than {_MOST_COLUMNS} columns.")
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise SourceError(f"The heading has the column '{twice[0]}' more than once.")
    if key not in columns:
        raise SourceError(f"There is no column '{key}'; there are {', '.join(columns)}.")
    return columns
