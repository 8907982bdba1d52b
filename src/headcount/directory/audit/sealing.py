"""Sealing what has been committed, verifying what was sealed, and forgetting what is beyond retention."""

import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from headcount.directory.audit.chain import Block, Link, Problem, Record, block_of, genesis, is_signed, seal, sign
from headcount.directory.audit.chain import problems_of as problems_of_block
from headcount.directory.audit.records import CHANGES, ERASED, Chain
from headcount.scim.errors import InvalidValueError
from headcount.scim.folding import instant
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ABSENT, Put, TenantKeeping

BLOCKS: Final = "audit block"
"""The collection of blocks, by chain and number."""
HEADS: Final = "audit head"
"""The collection of the number of the last block, by chain."""
CHECKPOINTS: Final = "audit checkpoint"
"""The collection of what retention has left of forgotten blocks, by chain."""
FLOORS: Final = "audit floor"
"""The collection of the number of the first record that retention has left, by chain."""
RECORDS_A_BLOCK: Final = 1_000
_HEAD: Final = re.compile(r"([a-z0-9_-]{1,63})/([a-z]+)/([0-9]{1,12})/([0-9a-f]{64})")
_SALT_BYTES: Final = 16
_BLOCKS_A_PAGE: Final = 20
_ANEW: Final = 20
"""How often a block is read anew when somebody else is faster."""
_SKEW: Final = timedelta(hours=1)
"""How far the clocks of processes may be apart: by so much records may be out of order."""


class TamperedError(Exception):
    """A record is not as it was sealed, so that it is not forgotten either."""


@dataclass(slots=True)
class Verified:
    """What the verification of one chain found."""

    chain: str
    blocks: int = 0
    records: int = 0
    erased: int = 0
    """Records whose content was lawfully erased."""
    forgotten: int = 0
    """Records of the blocks that are there which are beyond retention."""
    unsealed: int = 0
    """Records that were committed since the last block."""
    head: str = ""
    """The last block, as a `Head`; empty without one."""
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Head:
    """A block that was the last one once: noted elsewhere, it shows later whether the end was cut off."""

    tenant: str
    chain: str
    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.chain}/{self.number}/{self.digest}"


def head_of(text: str) -> Head:
    """A head as it was noted; raises InvalidValueError."""
    found = _HEAD.fullmatch(text.strip())
    if found is None:
        raise InvalidValueError(f"'{text}' is no head as a verification prints it: tenant/chain/number/digest.")
    tenant, chain, number, digest = found.groups()
    return Head(tenant, chain, int(number), digest)


@dataclass(frozen=True, slots=True)
class SealedChain:
    """One chain of one tenant."""

    store: TenantKeeping
    tenant: str
    chain: Chain
    key: bytes

    async def seal(self) -> int:
        """Seals what is committed and not sealed yet; gives how many records."""
        number = 0
        while sealed := await self._seal_some():
            number += sealed
        return number

    async def verify(self, heads: Sequence[Head] = ()) -> Verified:
        """Compares every sealed record with what is there now, once more when retention comes between.

        Of heads that were noted earlier, those of this chain have to be among its blocks, unless retention was faster.
        """
        result = Verified(self.chain.name)
        for _ in range(2):
            first, result = await self._first(), Verified(self.chain.name)
            await self._verify(first, result, heads)
            if await self._first() == first:
                break
        return result

    async def forget(self, before: str) -> int:
        """Removes records that are older than an instant, and leaves signatures in their place; gives how many went.

        Raises TamperedError, removing nothing, when one of them is not as it was sealed.
        """
        first = await self._first_that_stays(before)
        if first == 0:
            return 0
        floor = {"first": first, "signature": sign(self._floor_text(first), self.key)}
        await self.store.put([Put(FLOORS, self.chain.name, orjson.dumps(floor))])
        removed = await self.chain.forget(self.store, before)
        await self._forget_blocks(first)
        return removed

    async def forget_salts(self, numbers: set[int]) -> None:
        """Removes the salts of records whose content is erased, so that nobody can guess it back from its digest."""
        async for block in self._blocks():
            if any(item.number in numbers and item.salt for item in block.records):
                await self._forget_salts(block.number, numbers)

    async def _seal_some(self) -> int:
        before = await self._end()
        records = await self.chain.read(self.store, before.last, 0, RECORDS_A_BLOCK)
        if not records:
            return 0
        block = seal(records, before, self.key, _salts(len(records)))
        puts = [
            Put(BLOCKS, self._key(block.number), block.text(), ABSENT),
            Put(HEADS, self.chain.name, str(block.number).encode()),
        ]
        try:
            await self.store.put(puts)
        except VersionConflictError:  # another process has sealed them
            return 0
        return len(records)

    async def _verify(self, first: int, result: Verified, heads: Sequence[Head]) -> None:
        before, signed = await self._beginning()
        noted = [head for head in heads if head.chain == self.chain.name and head.number >= before.number]
        digests = dict.fromkeys((head.number for head in noted), "") | {before.number: before.digest}
        if not signed:
            result.problems.append(Problem(before.number, 0, "the checkpoint is not the installation's"))
        if first < 0:
            result.problems.append(Problem(0, 0, "the mark of retention is not the installation's"))
        lawful = await self._erasures()
        async for block in self._blocks():
            found = await self._found(block, before, first)
            result.blocks += 1
            result.records += len(found)
            result.problems += _problems_of(block, before, found, first, self.key, lawful)
            result.forgotten += sum(item.number < first for item in block.records)
            result.erased += sum(not item.salt and item.number in found for item in block.records)
            before = block.link
            if block.number in digests:
                digests[block.number] = block.digest
        result.problems += _cut_off(noted, digests)
        if before.number:
            result.head = str(Head(self.tenant, self.chain.name, before.number, before.digest))
        result.unsealed = await self._count_tail(max(before.last, first - 1))

    async def _found(self, block: Block, before: Link, first: int) -> dict[int, Record]:
        """The records of a block that are there, and others among them."""
        after = max(before.last, first - 1)
        if after >= block.link.last:
            return {}
        records = await self.chain.read(self.store, after, block.link.last, RECORDS_A_BLOCK * 2)
        return {record.number: record for record in records}

    async def _first_that_stays(self, before: str) -> int:
        """The number behind the last record that is older than an instant; 0 when nothing is to go."""
        later = (datetime.fromisoformat(before) + _SKEW).isoformat()
        first, last = await self._first(), 0
        link, signed = await self._beginning()
        lawful = await self._erasures()
        if not signed or first < 0:
            raise TamperedError(self.chain.name)
        async for block in self._blocks():
            found = await self._found(block, link, first)
            if found and min(record.at for record in found.values()) >= instant(later):
                break
            if any(_problems_of(block, link, found, first, self.key, lawful)):
                raise TamperedError(self.chain.name)
            last = max([last, *(number for number, record in found.items() if record.at < before)])
            link = block.link
        return last + 1 if last else 0

    async def _forget_blocks(self, first: int) -> None:
        """Replaces blocks of which every record is beyond retention by a signed checkpoint."""
        gone: list[Block] = []
        async for block in self._blocks():
            if block.link.last >= first:
                break
            gone.append(block)
            if len(gone) == _BLOCKS_A_PAGE:
                await self._leave_checkpoint(gone)
                gone.clear()
        if gone:
            await self._leave_checkpoint(gone)

    async def _leave_checkpoint(self, gone: list[Block]) -> None:
        link = gone[-1].link
        signature = sign(self._checkpoint_text(link), self.key)
        kept = {"block": link.number, "last": link.last, "digest": link.digest, "signature": signature}
        removed = [Put(BLOCKS, self._key(block.number), None) for block in gone]
        await self.store.put([Put(CHECKPOINTS, self.chain.name, orjson.dumps(kept)), *removed])

    async def _forget_salts(self, number: int, numbers: set[int]) -> None:
        for _ in range(_ANEW):
            entry = await self.store.entry(BLOCKS, self._key(number))
            if entry is None:
                return
            block = block_of(entry.value)
            records = tuple(item._replace(salt="") if item.number in numbers else item for item in block.records)
            text = replace(block, records=records).text()
            with suppress(VersionConflictError):  # another erasure has changed it
                await self.store.put([Put(BLOCKS, self._key(number), text, entry.version)])
                return

    async def _first(self) -> int:
        """The number of the first record that retention has left: 0 for all of them, -1 when that is not signed."""
        value = await self._value(FLOORS)
        if value is None:
            return 0
        first = value.get("first")
        if isinstance(first, int) and is_signed(value.get("signature"), self._floor_text(first), self.key):
            return first
        return -1

    async def _beginning(self) -> tuple[Link, bool]:
        """What the first block follows, and whether that is signed."""
        value = await self._value(CHECKPOINTS)
        if value is None:
            return genesis(self.tenant, self.chain.name), True
        link = Link(value["block"], value["last"], value["digest"])
        return link, is_signed(value.get("signature"), self._checkpoint_text(link), self.key)

    async def _end(self) -> Link:
        """What the next block follows."""
        head = await self.store.entry(HEADS, self.chain.name)
        entry = await self.store.entry(BLOCKS, self._key(int(head.value))) if head else None
        return block_of(entry.value).link if entry else (await self._beginning())[0]

    async def _blocks(self) -> AsyncIterator[Block]:
        after, prefix = "", f"{self.chain.name}/"
        while entries := await self.store.entries(BLOCKS, prefix=prefix, after=after, limit=_BLOCKS_A_PAGE):
            for entry in entries:
                yield block_of(entry.value)
            after = entries[-1].key

    async def _count_tail(self, after: int) -> int:
        number = 0
        while records := await self.chain.read(self.store, after, 0, RECORDS_A_BLOCK):
            number, after = number + len(records), records[-1].number
        return number

    async def _erasures(self) -> set[str]:
        """The resources whose erasure stands in the change log."""
        found: set[str] = set()
        after = 0
        if self.chain is not CHANGES:
            return found
        while rows := await self.store.changes_after(after, limit=RECORDS_A_BLOCK, types=("",)):
            found.update(orjson.loads(row.after)["resource"] for row in rows if row.kind == ERASED and row.after)
            after = rows[-1].position
        return found

    async def _value(self, collection: str) -> dict[str, Any] | None:
        entry = await self.store.entry(collection, self.chain.name)
        if entry is None:
            return None
        value: dict[str, Any] = orjson.loads(entry.value)
        return value

    def _key(self, number: int) -> str:
        return f"{self.chain.name}/{number:012}"

    def _floor_text(self, first: int) -> str:
        return f"floor {self.tenant}/{self.chain.name} {first}"

    def _checkpoint_text(self, link: Link) -> str:
        return f"checkpoint {self.tenant}/{self.chain.name} {link.number} {link.last} {link.digest}"


def _salts(number: int) -> list[str]:
    """Random salts, asked for in one piece: each call goes through the kernel."""
    digits = _SALT_BYTES * 2
    text = secrets.token_hex(_SALT_BYTES * number)
    return [text[at : at + digits] for at in range(0, len(text), digits)]


def _cut_off(noted: Sequence[Head], digests: Mapping[int, str]) -> Iterator[Problem]:
    """What heads that were noted tell of the blocks with their numbers, by their digests: empty without a block."""
    for head in noted:
        if not digests[head.number]:
            yield Problem(head.number, 0, "the end was cut off: the block of a head that was noted is not there")
        elif digests[head.number] != head.digest:
            yield Problem(head.number, 0, "the block is not that of the head that was noted")


def _problems_of(
    block: Block, before: Link, found: dict[int, Record], first: int, key: bytes, lawful: set[str]
) -> list[Problem]:
    """What is wrong with a block and with its records, the first of which that is kept has the number `first`."""
    problems = list(problems_of_block(block, before, found, key))
    for item in block.records:
        record = found.get(item.number)
        if item.number < first:
            continue
        if record is None:
            problems.append(Problem(block.number, item.number, "the record was removed"))
        elif not item.salt and (record.about not in lawful or any(record.payload)):
            problems.append(Problem(block.number, item.number, "the content was removed without an erasure"))
    return problems
