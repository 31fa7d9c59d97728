from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.run_control import Interrupted, RunControl


async def forever() -> None:
    await asyncio.Event().wait()


async def test_work_waits_while_paused_and_goes_on_after_resume() -> None:
    control = RunControl()
    await control.wait_until_resumed()
    control.pause()
    passing = asyncio.create_task(control.wait_until_resumed())
    await asyncio.sleep(60)
    assert not passing.done()
    control.resume()
    await passing


async def test_shutdown_opens_the_pause_gate_and_nothing_closes_it_again() -> None:
    control = RunControl()
    control.pause()
    passing = asyncio.create_task(control.wait_until_resumed())
    await asyncio.sleep(1)
    control.shutdown()
    control.shutdown()
    control.pause()
    with pytest.raises(Interrupted):
        await passing
    with pytest.raises(Interrupted):
        await control.wait_until_resumed()


async def test_shutdown_cuts_what_is_under_guard() -> None:
    control = RunControl()
    work = asyncio.create_task(control.guard(forever()))
    await asyncio.sleep(1)
    control.pause(now=True)
    await asyncio.sleep(1)
    assert not work.done()
    control.shutdown()
    with pytest.raises(Interrupted):
        await work
    with pytest.raises(Interrupted):
        await control.guard(forever())


async def test_a_guarded_result_that_was_there_before_the_shutdown_is_kept() -> None:
    control = RunControl()

    async def shut_down_and_answer() -> int:
        asyncio.get_running_loop().call_soon(control.shutdown)
        return 7

    assert await control.guard(shut_down_and_answer()) == 7


async def test_an_error_under_guard_comes_out_as_it_is() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await RunControl().guard(fail())


async def test_cancelling_the_caller_cancels_what_it_guards_and_is_no_interruption() -> None:
    cancelled = asyncio.Event()

    async def notice() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    work = asyncio.create_task(RunControl().guard(notice()))
    await asyncio.sleep(1)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert cancelled.is_set()


async def test_a_pause_at_once_cuts_what_waits_and_a_gentle_one_does_not() -> None:
    control = RunControl()

    async def wait() -> None:
        with control.waiting():
            await forever()

    work = asyncio.create_task(control.guard(wait()))
    await asyncio.sleep(1)
    control.pause()
    await asyncio.sleep(1)
    assert not work.done()
    control.pause(now=True)
    with pytest.raises(Interrupted):
        await work
    with pytest.raises(Interrupted):
        await control.guard(wait())


async def test_shielded_work_outlasts_an_immediate_pause_and_a_short_shutdown() -> None:
    control = RunControl()

    async def save() -> str:
        await asyncio.sleep(3)
        return "saved"

    work = asyncio.create_task(control.shield(save(), grace_seconds=2))
    await asyncio.sleep(1.5)
    control.pause(now=True)
    control.shutdown()
    assert await work == "saved"


async def test_work_that_outlasts_the_grace_is_left_alone_to_its_end() -> None:
    control = RunControl()
    saved = asyncio.Event()

    async def save() -> None:
        await asyncio.sleep(30)
        saved.set()

    work = asyncio.create_task(control.shield(save(), grace_seconds=2))
    await asyncio.sleep(1)
    control.shutdown()
    with pytest.raises(Interrupted):
        await work
    assert not saved.is_set()
    await saved.wait()


async def test_idle_waits_for_all_that_is_busy() -> None:
    control = RunControl()
    with control.busy():
        control.pause()
        idle = asyncio.create_task(control.idle())
        with control.busy():
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        assert not idle.done()
    await idle


@pytest.mark.parametrize("command", ["resume", "shutdown"])
async def test_idle_returns_when_there_is_no_pause_to_wait_for_any_more(command: str) -> None:
    control = RunControl()
    with control.busy():
        control.pause()
        idle = asyncio.create_task(control.idle())
        await asyncio.sleep(1)
        getattr(control, command)()
        await idle


def test_a_gentle_pause_does_not_soften_a_pause_at_once() -> None:
    control = RunControl()
    control.pause(now=True)
    control.pause()
    assert not control.may_continue
    control.resume()
    assert control.may_begin
    assert control.may_continue


@given(st.permutations(range(1, 7)), st.data())
def test_numbered_commands_end_in_the_same_state_in_whatever_order_they_arrive(
    order: list[int], data: st.DataObject
) -> None:
    pauses = {number: data.draw(st.booleans()) for number in range(1, 7)}
    control = RunControl()
    for number in order:
        if pauses[number]:
            control.pause(number=number)
        else:
            control.resume(number)
    assert control.is_paused == pauses[6]


@given(st.integers(1, 9))
def test_a_command_given_twice_counts_once_and_an_unnumbered_one_is_the_latest(number: int) -> None:
    control = RunControl()
    assert control.pause(number=number)
    assert not control.pause(number=number)
    assert control.resume()
    assert not control.pause(number=number)
    assert control.may_begin
