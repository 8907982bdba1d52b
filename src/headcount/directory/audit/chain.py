"""The audit chain: what makes tampering with a finished record evident. Pure.

Records are sealed in blocks. Of each record a block holds a random salt, the salted digest of its payload (documents
and members), and a digest of that and of everything else about the record. The digest of a block covers the block
before it, and a signature with a key of the installation covers the digest. A payload that is erased leaves its salted
digest behind, which tells nothing of it, so that the chain still verifies.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson


class Record(NamedTuple):
    """What is sealed of one record."""

    number: int
    """Its place in the order of the tenant: a position, or the sequence of a line."""
    facts: tuple[Any, ...]
    """Everything but the payload."""
    payload: tuple[bytes, ...]
    at: str
    """When it was made: UTC, fixed width."""
    about: str = ""
    """The resource that it is about, as `type/id`."""


class Sealed(NamedTuple):
    """What a block holds of one record."""

    number: int
    salt: str
    """Empty once the payload is erased."""
    payload: str
    """The digest of the salt and the payload."""
    digest: str
    """The digest of the facts and of `payload`."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a block follows: the block before it, or what retention has left of it."""

    number: int
    last: int
    """The number of its last record."""
    digest: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some records in a row."""

    number: int
    previous: str
    """The digest of the block before."""
    records: tuple[Sealed, ...]
    digest: str
    signature: str

    @property
    def link(self) -> Link:
        """What the next block follows."""
        return Link(self.number, self.records[-1].number, self.digest)

    def text(self) -> bytes:
        """The block as it is kept."""
        rows = list(map(list, self.records))
        value = {"number": self.number, "previous": self.previous, "records": rows}
        return orjson.dumps({**value, "digest": self.digest, "signature": self.signature})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was sealed."""

    block: int
    number: int
    """The record; 0 for the block itself."""
    message: str


def block_of(text: bytes) -> Block:
    """A block as it is kept; raises ValueError or KeyError for what is none."""
    value = orjson.loads(text)
    records = tuple(Sealed(*row) for row in value["records"])
    return Block(value["number"], value["previous"], records, value["digest"], value["signature"])


def genesis(tenant: str, chain: str) -> Link:
    """What the first block of a chain follows: no block fits into the chain of another tenant."""
    return Link(0, 0, hashlib.sha256(orjson.dumps([tenant, chain])).hexdigest())


def seal(records: Sequence[Record], before: Link, key: bytes, salts: Iterable[str]) -> Block:
    """The block that follows another one, or the first; each record has a salt of its own."""
    sealed = tuple(map(_sealed, records, salts))
    number = before.number + 1
    digest = _digest_of(number, before.digest, sealed)
    return Block(number, before.digest, sealed, digest, sign(digest, key))


def sign(text: str, key: bytes) -> str:
    """The signature of a block's digest, or of another text."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def is_signed(signature: object, text: str, key: bytes) -> bool:
    """Whether a signature is the installation's."""
    return isinstance(signature, str) and hmac.compare_digest(signature.encode(), sign(text, key).encode())


def problems_of(block: Block, before: Link, found: Mapping[int, Record], key: bytes) -> Iterator[Problem]:
    """What is wrong with a block, and with the records that it sealed: `found` by number, forgotten ones apart."""
    if block.digest != _digest_of(block.number, block.previous, block.records):
        yield Problem(block.number, 0, "the block was changed")
    if not is_signed(block.signature, block.digest, key):
        yield Problem(block.number, 0, "the signature is not the installation's")
    if block.previous != before.digest or block.number != before.number + 1:
        yield Problem(block.number, 0, "a block before it was changed, removed or inserted")
    sealed = {item.number: item for item in block.records}
    for number, record in found.items():
        item = sealed.get(number)
        if item is None:
            yield Problem(block.number, number, "the record was inserted")
        elif _digest(record.facts, item.payload) != item.digest:
            yield Problem(block.number, number, "the record was changed")
        elif item.salt and _payload(item.salt, record.payload) != item.payload:
            yield Problem(block.number, number, "the record's content was changed or removed")


def _sealed(record: Record, salt: str) -> Sealed:
    payload = _payload(salt, record.payload)
    return Sealed(record.number, salt, payload, _digest(record.facts, payload))


def _payload(salt: str, payload: Sequence[bytes]) -> str:
    parts = [salt.encode(), *payload]
    return hashlib.sha256(b"".join(b"%d:%b," % (len(part), part) for part in parts)).hexdigest()


def _digest(facts: Sequence[Any], payload: str) -> str:
    return hashlib.sha256(orjson.dumps([*facts, payload])).hexdigest()


def _digest_of(number: int, previous: str, records: Sequence[Sealed]) -> str:
    """Salts are left out: they go when a payload is erased."""
    content = [number, previous, [(place, payload, digest) for place, _, payload, digest in records]]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()
