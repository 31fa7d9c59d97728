from __future__ import annotations

from domain.jobs.batch_claims import BatchClaims
from domain.jobs.batches import BatchReport, BatchWork, SymbolFailure

EPOCH = 1


def claims() -> BatchClaims:
    return BatchClaims([(0, ("A", "B")), (1, ("C", "D"))])


def report(batch: int, finished: bool, *completed: str, failed: str = "") -> BatchReport:
    failures = tuple(SymbolFailure(symbol, "SymbolRejected", "unknown", 1) for symbol in failed)
    return BatchReport(batch, EPOCH, finished, completed, failures)


def work(batch: int, *symbols: str) -> BatchWork:
    return BatchWork(batch, EPOCH, symbols)


def test_batches_are_handed_out_in_order_and_each_to_one_worker() -> None:
    batches = claims()
    assert batches.take("first", EPOCH) == work(0, "A", "B")
    assert batches.take("second", EPOCH) == work(1, "C", "D")
    assert batches.take("third", EPOCH) is None
    assert batches.holds(0, "first", EPOCH)
    assert not batches.holds(0, "second", EPOCH)
    assert not batches.is_done


def test_all_is_done_when_every_batch_was_reported_finished() -> None:
    batches = claims()
    for worker in ("first", "second"):
        batches.take(worker, EPOCH)
    batches.resolve(report(1, True, "C", "D"))
    assert not batches.is_done
    batches.resolve(report(0, True, "A", "B"))
    assert batches.is_done


def test_a_batch_given_back_waits_ahead_of_later_ones_without_its_failed_symbols() -> None:
    batches = claims()
    batches.take("first", EPOCH)
    batches.resolve(report(0, False, failed="A"))
    assert not batches.holds(0, "first", EPOCH)
    assert batches.take("second", EPOCH) == work(0, "B")


def test_a_batch_of_which_nothing_is_left_is_done_whatever_the_worker_says() -> None:
    batches = claims()
    batches.take("first", EPOCH)
    batches.resolve(report(0, False, "B", failed="A"))
    assert batches.take("first", EPOCH) == work(1, "C", "D")


def test_a_lost_workers_batches_wait_again_and_the_loss_is_counted() -> None:
    batches = claims()
    batches.take("first", EPOCH)
    assert batches.lose("first") == [0]
    assert (batches.losses(0), batches.losses(1)) == (1, 0)
    assert not batches.holds(0, "first", EPOCH)
    assert batches.take("second", EPOCH) == work(0, "A", "B")
    assert batches.lose("first") == []


def test_a_report_of_an_epoch_older_than_the_batchs_claim_is_not_of_that_claim() -> None:
    batches = claims()
    batches.take("first", EPOCH)
    batches.resolve(report(0, False, "A"))
    batches.take("first", EPOCH + 1)
    assert not batches.holds(0, "first", EPOCH)
    assert batches.holds(0, "first", EPOCH + 1)
