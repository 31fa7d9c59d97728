"""HoldingRelay: a network that holds requests back, and delivers them after their client has given up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from urllib.parse import urlsplit

READ_BYTES = 65_536
ANSWER_PATIENCE_SECONDS = 5.0


class HoldingRelay:
    """`with HoldingRelay(url, hold_seconds) as relay:` relays TCP from `relay.base_url` to the server at `url`.

    After `hold_next(n)` the next n requests are held back for `hold_seconds`. What a client has written is
    delivered whatever becomes of the client, as by a router with a full queue; `late` counts the requests that
    were delivered after their client had closed the connection, or died.
    """

    def __init__(self, url: str, hold_seconds: float) -> None:
        self.base_url = ""
        self.late = 0
        self.holding = 0
        self._to_hold = 0
        self._hold_seconds = hold_seconds
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> HoldingRelay:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accepted, "127.0.0.1", 0), self._loop
        ).result()
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold_next(self, requests: int) -> None:
        """Hold so many of the next requests back."""
        self._to_hold = requests

    async def _end(self) -> None:
        self._server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._loop.create_task(self._relay(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection(*self._target)
        back = self._loop.create_task(self._bring_back(upstream, writer))
        try:
            while await self._carry(reader, downstream):
                pass
            await asyncio.wait({back}, timeout=ANSWER_PATIENCE_SECONDS)
        finally:
            back.cancel()
            downstream.close()
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, downstream: asyncio.StreamWriter) -> bool:
        """Take one request to the server, at once or later; False when the client sends no more."""
        try:
            request = await reader.read(READ_BYTES)
        except ConnectionError:
            return False
        if not request:
            return False
        if self._to_hold > 0:
            self._to_hold -= 1
            self.holding += 1
            await asyncio.sleep(self._hold_seconds)
            self.holding -= 1
            self.late += reader.at_eof() or reader.exception() is not None
        downstream.write(request)
        return True

    async def _bring_back(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while answer := await upstream.read(READ_BYTES):
                writer.write(answer)
        writer.close()
