"""How this process joins Ray, or starts a small cluster of its own, quietly and on loopback."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from actors.cluster.addresses import live_address
from actors.cluster.signals import signals_kept
from actors.cluster.temp_dir import private_temp_dir
from domain.errors import SettingsError

NAMESPACE = "candles"
_MIB = 1024 * 1024
_AUTHENTICATED = {"RAY_AUTH_MODE": "token"}
_LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's switch for a single machine: it binds every port to loopback, on Linux too."""


class RaySession:
    """This process's connection to Ray, made at most once; one that the driver already has is used and left open."""

    def __init__(self) -> None:
        self._address = ""
        self._is_ours = False

    def connect(self, address: str) -> str:
        """Join the cluster at `address`, or start an "embedded" one; returns the address where others find it.

        Raises ConnectionError within ten seconds when no cluster answers there, SettingsError when ray was
        imported too early. SIGTERM and SIGHUP wait until it is done, and keep their handlers.
        """
        if not self._address:
            loopback = _LOOPBACK_ONLY if address == "embedded" or address.startswith("127.") else {}
            _set_environment({**_AUTHENTICATED, **loopback})
            with signals_kept():
                import ray

                self._is_ours = not ray.is_initialized()
                if self._is_ours:
                    _initialise(address if address == "embedded" else live_address(address))
            self._address = address if "://" in address else cluster_address()
        return self._address

    def close(self) -> None:
        """Disconnect; an embedded cluster ends with it."""
        if self._address and self._is_ours:
            import ray

            ray.shutdown()
        self._address = ""


def cluster_address() -> str:
    """Where others find the cluster that this process is in."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def find_actor(name: str) -> Any:
    """The running actor of that name; None when there is none."""
    import ray

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def limiter_name(broker: str, account: str) -> str:
    """The name of an account's RateLimiter actor."""
    return f"limiter:{broker}:{account}"


def coordinator_name(job_id: str) -> str:
    """The name of a job's JobCoordinator actor."""
    return f"job:{job_id}"


def find_coordinator(job_id: str) -> Any:
    """The job's running JobCoordinator; None when there is none."""
    return find_actor(coordinator_name(job_id))


def find_limiter(broker: str, account: str) -> Any:
    """The account's running RateLimiter; None when there is none."""
    return find_actor(limiter_name(broker, account))


def on_this_node() -> dict[str, Any]:
    """The options that keep an actor on the node of this process, which has its storage."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node_id = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False)}


def _set_environment(values: dict[str, str]) -> None:
    # Ray reads these when it is imported and hands them on to every process it starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    missing = [name for name in values if name not in os.environ]
    if missing and "ray" in sys.modules and not sys.modules["ray"].is_initialized():
        raise SettingsError(
            "ray was imported before Candle Collector could set it up: import it later, call ray.init() yourself, "
            f"or set {' '.join(f'{name}={values[name]}' for name in missing)} in the environment"
        )
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _initialise(address: str) -> None:
    import ray

    ray.init(
        **(_embedded() if address == "embedded" else {"address": address}),
        namespace=NAMESPACE,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
    )


def _embedded() -> dict[str, Any]:
    return {
        "address": "local",
        "include_dashboard": False,
        "object_store_memory": 80 * _MIB,
        "_temp_dir": str(private_temp_dir()),
    }
