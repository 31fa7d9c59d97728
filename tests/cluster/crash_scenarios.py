"""The scenarios of the crash matrix, each of which a seed makes into a trial."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.crash_matrix import PAGES_PER_SYMBOL, Step, Trial, TrialRun, Victim, random_kills, trial_run
from tests.cluster.crash_mishaps import FillDisk, LockStore, SetClockBack, clock_went_back, small_disk, with_a_clock
from tests.cluster.crash_verdict import Verdict
from tests.cluster.kept_cluster import KeptCluster

NOISE = (
    "server_error,probability=0.06,times=5", "dropped,probability=0.05,times=4", "lost,probability=0.05,times=4",
    "cut_body,probability=0.05,times=3", "truncated_json,probability=0.05,times=3", "hung,probability=0.02,times=1",
    "hung_body,probability=0.02,times=1", "dropped_when_kept_alive,probability=0.05,times=3",
    "closed_afterwards,probability=0.1,times=5", "throttled,probability=0.02,times=1",
)  # fmt: skip
WRONG = (
    "redirected,probability=0.1,times=4", "other_shape,probability=0.1,times=4",
    "truncated_json,probability=0.1,times=4", "unknown_symbol,probability=0.1,times=1",
)  # fmt: skip
"""A single symbol is refused by mistake: one that is listed. The job completes without it, and `retry` gets it."""

INCOMPLETE = tuple(
    f"{fault},symbol=T{{seed}}S{number:03},probability=0.3,times=1"
    for number, fault in enumerate(
        ("late_bars,bars=1", "late_bars,bars=250", "first_bars,bars=0", "first_bars,bars=400", "last_bars,bars=600",
         "last_bars,bars=999")
    )
)  # fmt: skip
"""Once for a symbol: a server that leaves out the same bars twice over is believed, for so it looks if it has none."""

Plan = Callable[[int, int], tuple[Step, ...]]
"""A seed and the job's pages -> what happens."""


@dataclass(frozen=True)
class Scenario:
    """How a seed becomes the steps of a trial, and what the trial takes place on."""

    plan: Plan
    faults: tuple[str, ...] = ()
    symbols: int = 12
    small_disk: str = ""
    """The folder that lies on a small disk of its own."""
    has_clock: bool = False
    """Whether the job's processes have a wall clock that can be set."""

    def judge(self, name: str, seed: int, folder: Path, cluster: KeptCluster | None = None) -> Verdict:
        """Play it, in that cluster or embedded; raises NotPermitted where the machine lacks what it takes."""
        steps = self.plan(seed, self.symbols * PAGES_PER_SYMBOL)
        trial = Trial(name, seed, steps, tuple(fault.format(seed=seed) for fault in self.faults), self.symbols)
        with ExitStack() as stack:
            run: TrialRun = stack.enter_context(trial_run(trial, folder, cluster))
            if self.small_disk:
                stack.enter_context(small_disk(folder / self.small_disk))
            if self.has_clock:
                with_a_clock(run)
            run.play()
            verdict = Verdict(run)
            if self.has_clock and not clock_went_back(run):
                verdict.problems.append("the clock was never set back")
            verdict.close()
            return verdict


def _kills(count: int, *victims: Victim) -> Plan:
    return lambda seed, pages: random_kills(seed, victims, count, pages)


def _steps(*steps: Step) -> Plan:
    return lambda seed, pages: steps


def _on_a_clock(seed: int, pages: int) -> tuple[Step, ...]:
    kills = random_kills(seed, list(Victim), 2, pages // 2)
    return (SetClockBack(4), *kills, SetClockBack(pages * 6 // 10, is_paused=True))


SCENARIOS = {
    "nothing": Scenario(_steps()),
    **{victim.value: Scenario(_kills(4, victim)) for victim in Victim},
    "noise and three kills": Scenario(_kills(3, *Victim), NOISE, symbols=8),
    "noise": Scenario(_steps(), NOISE),
    "noise and kills": Scenario(_kills(5, *Victim), NOISE),
    "wrong answers": Scenario(_kills(2, *Victim), WRONG),
    "incomplete answers": Scenario(_kills(2, *Victim), INCOMPLETE),
    "disk full": Scenario(_steps(FillDisk(15)), small_disk="data"),
    "disk nearly full": Scenario(_steps(FillDisk(15, leaves_bytes=65_536)), small_disk="data"),
    "disk of permits full": Scenario(_steps(FillDisk(15, "state")), small_disk="state"),
    "store locked 2.5 s": Scenario(_steps(LockStore(10, 2.5))),
    "store locked 12 s": Scenario(_steps(LockStore(10, 12))),
    "store locked, Ctrl-C": Scenario(_steps(LockStore(15, 0, is_interrupted=True))),
    "store locked, then disk full": Scenario(
        _steps(LockStore(8, 0, is_interrupted=True), FillDisk(20)), symbols=8, small_disk="data"
    ),
    "clock set back": Scenario(_on_a_clock, symbols=8, has_clock=True),
}
