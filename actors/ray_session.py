"""How this process joins Ray, or starts a small cluster of its own, quietly and on loopback."""

from __future__ import annotations

import os
from typing import Any

NAMESPACE = "candles"
_MIB = 1024 * 1024
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
_LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's switch for machines that are no cluster: every port is bound to loopback then, on Linux too."""


def start_embedded() -> str:
    """Start a cluster that lives as long as this process; returns the address others find it by."""
    _set_environment({**_QUIET, **_LOOPBACK_ONLY})
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=80 * _MIB,
        **_common_options(),
    )
    return str(ray.get_runtime_context().gcs_address)


def join(address: str) -> str:
    """Connect to a running cluster ("auto", "host:port", "ray://..."); returns where that is.

    Raises ConnectionError when nothing answers there.
    """
    loopback = _LOOPBACK_ONLY if address.startswith("127.") else {}
    _set_environment({**_QUIET, **loopback})
    import ray

    ray.init(address=address, **_common_options())
    return address


def leave() -> None:
    """Disconnect; an embedded cluster ends with it."""
    import ray

    ray.shutdown()


def find_actor(name: str) -> Any:
    """The running actor of that name; None when there is none."""
    import ray

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def on_this_node() -> dict[str, Any]:
    """The options that keep an actor on the node of this process: the one that has its storage."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node_id = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False)}


def _set_environment(values: dict[str, str]) -> None:
    # Ray reads these when it is imported and hands them on to every process it starts.
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _common_options() -> dict[str, Any]:
    return {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "logging_level": "error",
        "ignore_reinit_error": True,
        "configure_logging": False,
    }
