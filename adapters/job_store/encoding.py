"""How events are stored: msgpack with the types that a job's events need, and zstandard where it pays."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgpack
import zstandard
from eventsourcing.persistence import Compressor, Transcoder

_UUID_CODE = 1
_TUPLE_CODE = 2
_RAW_FLAG = b"\x00"
_ZSTD_FLAG = b"\x01"
MAX_EVENT_BYTES = 64 * 1024 * 1024


class MsgpackTranscoder(Transcoder):
    """Encodes plain values, UUIDs, tuples and timestamps; each is decoded as the type it was.

    Timestamps need a time zone, keep their microseconds and are decoded in UTC. Everything else, subclasses of plain
    types included, raises TypeError: better refused now than read back as something else.
    """

    def encode(self, obj: Any) -> bytes:
        """The value as bytes."""
        encoded: bytes = msgpack.packb(obj, strict_types=True, datetime=True, default=_to_extension)
        return encoded

    def decode(self, data: bytes) -> Any:
        """The value that was encoded; ValueError for bytes that are not one encoded value."""
        return msgpack.unpackb(data, timestamp=3, strict_map_key=False, ext_hook=_from_extension)


class ZstdCompressor(Compressor):
    """Zstandard behind one flag byte; data that would not shrink stays as it is.

    Neither direction handles more than `MAX_EVENT_BYTES`: a damaged frame cannot fill the memory, and everything that
    is written can be read again.
    """

    def compress(self, data: bytes) -> bytes:
        """The data, shorter if possible, at most one byte longer."""
        if len(data) > MAX_EVENT_BYTES:
            raise ValueError(f"an event of {len(data)} bytes is larger than the {MAX_EVENT_BYTES} allowed")
        # A new context for each call: contexts must not be shared by threads.
        shrunk = zstandard.ZstdCompressor(level=3).compress(data)
        return _ZSTD_FLAG + shrunk if len(shrunk) < len(data) else _RAW_FLAG + data

    def decompress(self, data: bytes) -> bytes:
        """The data that was compressed; ValueError for anything else."""
        flag, body = data[:1], data[1:]
        if flag == _RAW_FLAG:
            return body
        if flag != _ZSTD_FLAG:
            raise ValueError(f"an event begins with the unknown flag {flag!r}")
        try:
            size_bytes = zstandard.get_frame_parameters(body).content_size
            if size_bytes > MAX_EVENT_BYTES:
                raise ValueError(f"an event claims {size_bytes} bytes, more than the {MAX_EVENT_BYTES} allowed")
            return zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise ValueError(f"an event cannot be decompressed: {error}") from error


def _to_extension(obj: Any) -> msgpack.ExtType:
    if type(obj) is UUID:
        return msgpack.ExtType(_UUID_CODE, obj.bytes)
    if type(obj) is tuple:
        return msgpack.ExtType(_TUPLE_CODE, MsgpackTranscoder().encode(list(obj)))
    if isinstance(obj, datetime):
        raise TypeError(f"{obj.isoformat()} has no time zone: an event needs one")
    raise TypeError(f"an event cannot hold {obj!r} of type {type(obj).__name__}: use plain values")


def _from_extension(code: int, data: bytes) -> Any:
    if code == _UUID_CODE:
        return UUID(bytes=data)
    if code == _TUPLE_CODE:
        return tuple(MsgpackTranscoder().decode(data))
    raise ValueError(f"an event holds a value of the unknown kind {code}")
