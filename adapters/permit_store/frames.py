"""How a permit record is written: entries that are appended, each with a checksum of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack

from domain.limits.ledger import GrantedPermit
from domain.limits.rates import AccountLimits, Counts, RateLimit

_HEAD_BYTES = 8


def frame(entry: list[Any]) -> bytes:
    """One entry: length, checksum, msgpack."""
    body: bytes = msgpack.packb(entry)
    return len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body


def read_frames(data: bytes) -> tuple[list[list[Any]], bool]:
    """The entries in order up to the first damage, and whether there is none."""
    entries: list[list[Any]] = []
    at = 0
    while at < len(data):
        length, checksum = int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")
        body = data[at + _HEAD_BYTES : at + _HEAD_BYTES + length]
        if len(body) != length or not length or zlib.crc32(body) != checksum:
            return entries, False
        entries.append(msgpack.unpackb(body))
        at += _HEAD_BYTES + length
    return entries, True


def grant_entry(permits: Sequence[GrantedPermit]) -> list[Any]:
    """Permits granted together, alike in all but their ids."""
    one = permits[0]
    permit_ids = one.permit_id if len(permits) == 1 else [permit.permit_id for permit in permits]
    return ["lent", permit_ids, one.tokens, one.granted_at, one.completed_at, one.pool]


def permit_entries(permit: GrantedPermit) -> Iterator[list[Any]]:
    """A permit as it was granted, and its completion if it is complete."""
    yield grant_entry([permit])
    if permit.has_completed:
        yield ["over", permit.permit_id, permit.completed_at]


def agreement_entry(session: str, limits: AccountLimits) -> list[Any]:
    """What is in force in a session."""
    windows = [[limit.amount, limit.window_seconds, str(limit.counts), limit.pool] for limit in limits.limits]
    seconds = [limits.timeout_seconds, limits.abandoned_seconds, limits.permit_valid_seconds, limits.uplink_seconds]
    return ["agreed", session, windows, *seconds]


def agreed_limits(broker: str, account: str, windows: list[list[Any]], *seconds: Any) -> AccountLimits:
    """What `agreement_entry` wrote, read back; in format 1 there was neither a pool nor an uplink."""
    limits = tuple(
        RateLimit(amount, window_seconds, Counts(counts), *pool) for amount, window_seconds, counts, *pool in windows
    )
    return AccountLimits(broker, account, limits, *seconds)
