"""The races as tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers.contestants import Contestant, Role
from benchmarks.peers.networks import LIMIT, NETWORKS
from benchmarks.peers.outcomes import DISTORTED_SECONDS, Outcome
from benchmarks.tables import Table

DISTORTED = "~"


def tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """All races, a table for each number of processes, and the cost of no violation."""
    counts = sorted({outcome.processes for outcome in outcomes})
    races = [_races([outcome for outcome in outcomes if outcome.processes == count]) for count in counts]
    return [*races, _prices([o for o in outcomes if o.contestant.role in (Role.OURS, Role.GUESSED)])]


def _races(outcomes: Sequence[Outcome]) -> Table:
    processes = outcomes[0].processes
    title = "Limiters against a strict server: " + ("one process" if processes == 1 else f"{processes} processes")
    shared = ["shared by"] if processes > 1 else []
    columns = ["limiter", *shared, *(network.name for network in NETWORKS), "fairness", "longest wait"]
    rows = []
    for contestant, own in _by_contestant(outcomes).items():
        verdicts = {outcome.network: _verdict(outcome) for outcome in own}
        rows.append(
            [
                str(contestant),
                *([contestant.sharing] if processes > 1 else []),
                *(verdicts.get(network, "-") for network in NETWORKS),
                f"{min(outcome.fairness for outcome in own):.3f}",
                f"{max(outcome.longest_wait for outcome in own):.1f}",
            ]
        )
    return Table(title, columns, rows, _note(outcomes))


def _verdict(outcome: Outcome) -> str:
    mark = DISTORTED if outcome.is_distorted else ""
    promises = ""
    if outcome.promises_broken:
        promises = f" ({outcome.violations_if_kept} but for {outcome.promises_broken} late)"
    return f"{outcome.violations} / {outcome.most_in_window} / {outcome.above_ideal:+.1%}{mark}{promises}"


def _note(outcomes: Sequence[Outcome]) -> str:
    networks = "; ".join(f"{network.name}: {network.description}" for network in NETWORKS)
    server_ms = 1000 * max(outcome.server_lag_seconds for outcome in outcomes)
    client_ms = 1000 * max(outcome.client_lag_seconds for outcome in outcomes)
    return (
        f"For each network: violations / most in any window / makespan against the ideal, in {_lengths(outcomes)}. "
        f"The limit is {LIMIT}, "
        f"enforced by the server over every closed sliding window; what it refused was not sent again. {networks}. "
        "Ideal: the least time without trusting the network, at the race's own mean call; a limiter that trusts it can "
        "be faster, and is refused for it. Fairness: Jain's index over the slots, the worst of the networks. Longest "
        "wait: for a permit, as a multiple of the mean, the worst as well. With one request in a hundred the servers "
        f"were up to {server_ms:.0f} ms late, the clients' loops {client_ms:.0f} ms, in the worst of all races; "
        f"{DISTORTED} marks races with more than {1000 * DISTORTED_SECONDS:.0f} ms.{_uplink_note()}"
    )


def _lengths(outcomes: Sequence[Outcome]) -> str:
    """How many requests the races of each role had."""
    lengths = {outcome.contestant.role: outcome.requests for outcome in outcomes}
    return ", ".join(f"{requests:,} requests ({role})" for role, requests in lengths.items())


def _uplink_note() -> str:
    promises = [
        f"{1000 * network.uplink_seconds:.0f} ms on the {network.name} network"
        for network in NETWORKS
        if network.uplink_seconds
    ]
    return (
        f" With uplink_seconds: no request is counted later than {' and '.join(promises)} after it was sent. A busy "
        'machine may break that promise; "0 but for 7 late" means 7 such requests, and no violation if they had '
        "come just in time."
    )


def _prices(outcomes: Sequence[Outcome]) -> Table:
    """The contestants that have to show no violation at all."""
    counts = sorted({outcome.processes for outcome in outcomes})
    places = [(count, network) for count in counts for network in NETWORKS]
    rows = []
    for contestant, own in _by_contestant(outcomes).items():
        prices = {(outcome.processes, outcome.network): _price(outcome) for outcome in own}
        rows.append([str(contestant), *(prices.get(place, "-") for place in places)])
    columns = ["limiter", *(f"{network.name}, {count} proc." for count, network in places)]
    note = (
        "Requests a second from the first call for a permit to the last answer, and the violations where there were "
        "any. The others run at the highest rate that showed none in trials on these networks; another network needs "
        "new trials."
    )
    return Table("The cost of no violation on any network", columns, rows, note)


def _price(outcome: Outcome) -> str:
    violations = f" ({outcome.violations} violations)" if outcome.violations else ""
    rate = outcome.requests / outcome.makespan_seconds
    return f"{rate:.1f}/s{DISTORTED if outcome.is_distorted else ''}{violations}"


def _by_contestant(outcomes: Sequence[Outcome]) -> dict[Contestant, list[Outcome]]:
    """Ours first, then library by library."""
    roles = list(Role)

    def place(contestant: Contestant) -> tuple[bool, str, int]:
        return contestant.role is not Role.OURS, contestant.library, roles.index(contestant.role)

    contestants = sorted(dict.fromkeys(outcome.contestant for outcome in outcomes), key=place)
    return {
        contestant: [outcome for outcome in outcomes if outcome.contestant == contestant] for contestant in contestants
    }
