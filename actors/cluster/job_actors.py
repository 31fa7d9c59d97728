"""JobActors: starts the actors of a job and of its account's limiter in the cluster this process has joined."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from actors import wiring
from actors.cluster.builders import CoordinatorBuilder, LimiterBuilder, as_actor
from actors.cluster.handles import LimiterHandle
from actors.cluster.session import NAMESPACE, cluster_address, coordinator_name, limiter_name, on_this_node
from actors.job_coordinator import JobCoordinator
from actors.rate_limiter import RateLimiter
from actors.settings.account_limits import check_fits
from actors.settings.model import Settings
from actors.settings.state_folder import state_folder
from domain.candles.ports import TradingCalendar


@dataclass(frozen=True)
class JobActors:
    """Starts actors under these settings; a limiter that is already running is joined."""

    settings: Settings

    def coordinator(self, job_id: str, calendar: TradingCalendar) -> Any:
        """A JobCoordinator for the job. Raises LimiterUnavailable, SettingsError for limits that nothing fits."""
        options = on_this_node()
        coordinator_class = as_actor(
            JobCoordinator, num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=1000, **options
        )
        builder = CoordinatorBuilder(self.settings, job_id, self._limiter(job_id, options), options, calendar)
        return coordinator_class.options(name=coordinator_name(job_id), namespace=NAMESPACE).remote(builder)

    def _limiter(self, job_id: str, options: dict[str, Any]) -> Any:
        broker = self.settings.require_broker()
        limits = wiring.limits_for(broker)
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        limiter_class = as_actor(
            RateLimiter, num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=10_000, **options
        )
        limiter = limiter_class.options(
            name=limiter_name(limits.broker, limits.account),
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
        ).remote(LimiterBuilder(limits, state_folder(), holder, uuid4().hex, broker.audit_days))
        switch = wiring.operator_pause(limits.broker, limits.account)
        in_force = LimiterHandle(limiter).take_account(job_id, limits, switch, cluster_address())
        check_fits(in_force.limits, wiring.gateway_for(broker))
        return limiter
