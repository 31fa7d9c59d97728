"""Monthly files with checksums beside an API: cheap for whole months, but a missing bar in them proves nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from datetime import datetime, timedelta

from adapters.brokers.http.verdicts import parse_json
from adapters.in_memory.manners.exchange import MannerExchange, Reply, rows_of
from adapters.in_memory.manners.gateway import ONE_REQUEST, MannerGateway, inside, judge, raw
from domain.brokers.answers import Answer, Part
from domain.brokers.conditions import Condition
from domain.brokers.queries import Instrument, Query, Wanted, cut, listed
from domain.brokers.wire import Wire, WireRequest, WireResponse
from domain.candles.candles import Candles, RawCandles
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

ARCHIVE = "/archive/"
CHECKSUM = ".CHECKSUM"
REST = "/candles"
MOST_FILE_BYTES = 64 * 1024 * 1024


class ArchiveExchange(MannerExchange):
    """GET /archive/SYMBOL-2024-03.zip, the same with .CHECKSUM, and /candles?symbol&start&end for the rest.

    A month with a bar is published once it is over, except for the `missing` ones (like "A-2024-03"). The files of
    `damaged` symbols do not match their checksums.
    """

    name = "archive"

    def __init__(
        self,
        market: Mapping[str, Candles],
        now_ms: int,
        troubles: Mapping[str, int] | None = None,
        most_rows: int = 1000,
        missing: Collection[str] = (),
        damaged: Collection[str] = (),
    ) -> None:
        super().__init__(market, now_ms, troubles)
        self.most_rows = most_rows
        self.missing, self.damaged = frozenset(missing), frozenset(damaged)

    def symbols_of(self, request: WireRequest) -> list[str]:
        if request.path == REST:
            return [str(request.params["symbol"])]
        return [request.path.removeprefix(ARCHIVE).partition("-")[0]]

    def serve(self, request: WireRequest) -> Reply:
        (symbol,) = self.symbols_of(request)
        if request.path == REST:
            span = TimeSpan(int(request.params["start"]), int(request.params["end"]))
            return 200, rows_of(self.market[symbol].within(span))[: self.most_rows]
        name = request.path.removeprefix(ARCHIVE).removesuffix(CHECKSUM).removesuffix(".zip")
        month = _month_of(datetime.fromisoformat(f"{name.partition('-')[2]}-01T00:00:00+00:00"))
        candles = self.market[symbol].within(month)
        if name in self.missing or month.end_ms > self.now_ms or not len(candles):
            return 404, {"unknown": []}
        if request.path.endswith(CHECKSUM):
            return 200, hashlib.sha256(_zipped(rows_of(candles))).hexdigest().encode()
        factor = 2.0 if symbol in self.damaged else 1.0
        return 200, _zipped([[*row[:-1], row[-1] * factor] for row in rows_of(candles)])


class ArchiveGateway(MannerGateway):
    """Reads the file of a month where that takes fewer requests, and the API where there is no file."""

    name = "archive"
    route = REST
    finds_listings = True

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """Queries for files, of two requests with the checksum's, and for the API."""
        return [query for one, of_one in wanted.items() for query in self._queries(one, listed(of_one, one), now_ms)]

    def another_way(self, query: Query, doubtful: Mapping[Instrument, SpanSet]) -> list[Query]:
        """The API, also for what a file denied."""
        return super().queries(
            {one: Wanted(extent, extent) for one, spans in doubtful.items() if (extent := SpanSet([spans.extent]))}, 0
        )

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """The whole file once its checksum matches; else the API, response by response."""
        (instrument,) = query.instruments
        if query.route == ARCHIVE:
            answer = await self._archived(query, wire)
            if answer is not None:
                yield answer
                return
        left = query.span
        while left:
            edges = {"start": left.start_ms, "end": left.end_ms}
            response = await self.get(wire, REST, query, symbol=instrument.key, **edges)
            rows = raw(parse_json(response))
            is_full = len(rows) >= self.spec.most_rows
            end_ms = instrument.dataset.later(int(rows.open_time_ms[-1]), 1) if is_full else left.end_ms
            answered, left = TimeSpan(left.start_ms, end_ms), TimeSpan(end_ms, left.end_ms)
            yield Answer((Part(instrument, rows, SpanSet([answered])),), response.asked_at_ms)

    async def _archived(self, query: Query, wire: Wire) -> Answer | None:
        """The rows of a month's file; None without a file, or where its checksum does not match."""
        (instrument,) = query.instruments
        path = file_of(query)
        checksum = await self.file(wire, path + CHECKSUM, query)
        if checksum.status == 404:
            return None
        zipped = await self.file(wire, path, query)
        if not self.holds(zipped.body, checksum.body):
            return None
        rows = inside(unzipped(zipped.body), query.span)
        return Answer((Part(instrument, rows, SpanSet([query.span])),), zipped.asked_at_ms, source="archive")

    async def file(self, wire: Wire, path: str, query: Query) -> WireResponse:
        """The response for a file; its status is 404 where there is none."""
        request = WireRequest(path, charge=query.charges[0], most_body_bytes=MOST_FILE_BYTES)
        return await wire.fetch(request, _judge_file, query.symbols)

    def holds(self, body: bytes, checksum: bytes) -> bool:
        """Whether a file matches its checksum."""
        return hashlib.sha256(body).hexdigest().encode() == checksum.strip()

    def _queries(self, instrument: Instrument, wanted: Wanted, now_ms: int) -> Iterator[Query]:
        first_ms = instrument.listing.first_ms if instrument.listing else None
        for month in _months(wanted.spans.extent):
            part = Wanted(wanted.spans.within(month), wanted.expected, wanted.may_bridge)
            spans = cut(part, instrument.dataset, self.spec.most_rows)
            is_listed = first_ms is not None and first_ms < month.end_ms
            if len(spans) > 2 and is_listed and month.end_ms <= now_ms:
                yield Query(ARCHIVE, (instrument,), part.spans.extent, ONE_REQUEST * 2, self.spec.most_rows)
            else:
                yield from (self.query(instrument, span) for span in spans)


def file_of(query: Query) -> str:
    """The path of the file that holds the month of a query."""
    return f"{ARCHIVE}{query.instruments[0].key}-{query.span.start:%Y-%m}.zip"


def unzipped(body: bytes) -> RawCandles:
    """The rows of the one table in a zip."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        table = archive.read(archive.namelist()[0]).decode()
    return raw([[int(opens), *map(float, rest)] for opens, *rest in csv.reader(io.StringIO(table))])


def _judge_file(response: WireResponse) -> Condition | None:
    return None if response.status == 404 else judge(response)


def _zipped(rows: list[list[float]]) -> bytes:
    table, zipped = io.StringIO(), io.BytesIO()
    csv.writer(table).writerows(rows)
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(zipfile.ZipInfo("candles.csv"), table.getvalue())
    return zipped.getvalue()


def _month_of(moment: datetime) -> TimeSpan:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return TimeSpan.between(first, (first + timedelta(days=32)).replace(day=1))


def _months(span: TimeSpan) -> Iterator[TimeSpan]:
    """The months that the span touches."""
    month = _month_of(span.start)
    while month.start_ms < span.end_ms:
        yield month
        month = _month_of(month.end)
