"""Packs: what is known of well-known targets, one data file each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import orjson

from headcount.provisioning.targets.capabilities import CapabilityError
from headcount.scim.schemas import Json

_FOLDER: Final = files("headcount.provisioning.targets") / "packs"


@dataclass(frozen=True, slots=True)
class Pack:
    """What is known of one product."""

    name: str
    """As a job names it: the name of the file."""
    title: str
    documentation: str
    """Where its makers describe it."""
    notes: tuple[str, ...]
    """For people."""
    capabilities: Mapping[str, Json]
    """A layer of the profile."""


def pack_names() -> tuple[str, ...]:
    """The packs there are."""
    return tuple(sorted(item.name.removesuffix(".json") for item in _FOLDER.iterdir() if item.name.endswith(".json")))


@cache
def pack_of(name: str) -> Pack:
    """A pack by its name; raises CapabilityError that names those there are."""
    if name not in pack_names():
        raise CapabilityError(f"There is no pack '{name}'; there are {', '.join(pack_names())}.")
    document = orjson.loads((_FOLDER / f"{name}.json").read_bytes())
    return Pack(name, document["title"], document["documentation"], tuple(document["notes"]), document["capabilities"])
