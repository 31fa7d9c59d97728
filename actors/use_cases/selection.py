"""DatasetSelection: which datasets a job, a settings file or a list of symbols stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from actors.use_cases.catalog import JobCatalog
from domain.candles.dataset import Dataset, Interval
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest
from domain.spans.time_span import TimeSpan


class DatasetSelection:
    """Finds datasets; `dataset` makes one of a symbol, `request` makes the settings file's request."""

    def __init__(
        self,
        catalog: JobCatalog,
        dataset: Callable[[str, Interval, CollectionRequest | None], Dataset],
        request: Callable[[], CollectionRequest],
    ) -> None:
        self._catalog, self._dataset, self._request = catalog, dataset, request

    def of_job(self, job: str) -> list[Dataset]:
        """Every dataset of a job. Raises JobNotFound."""
        request = self._catalog.request(self._catalog.find(job))
        return [self._dataset(symbol, request.interval, request) for symbol in request.symbols]

    def to_export(
        self, job: str | None, symbols: Sequence[str], stored: Callable[[], Iterable[Dataset]]
    ) -> tuple[list[Dataset], TimeSpan]:
        """The datasets of a job, or of the settings file, all or the named symbols; and their span.

        Raises SettingsError for a named symbol without stored candles.
        """
        request = self._catalog.request(self._catalog.find(job)) if job else self._request()
        datasets = [self._dataset(symbol, request.interval, request) for symbol in symbols or request.symbols]
        known = set(stored() if symbols else datasets)
        for dataset in datasets:
            if dataset in known:
                continue
            raise SettingsError(f"no {dataset.interval} candles of {dataset.symbol} are stored: collect them first")
        return datasets, request.span
