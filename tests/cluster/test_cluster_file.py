"""The cluster file, read the way `ray up` reads it."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start as ray_start

TREE = Path(__file__).resolve().parents[2]
ON_THE_NODES = "~/candle-collector/"
HEALTH_CHECK = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}


@pytest.fixture
def cluster() -> dict[str, Any]:
    return prepare_config(yaml.safe_load((TREE / "ray-cluster.yaml").read_text()))


def every_command(cluster: dict[str, Any]) -> list[str]:
    return [command for key, commands in cluster.items() if key.endswith("_commands") for command in commands]


def words(command: str) -> list[str]:
    return shlex.split(command.replace(";", " ; "))


def test_ray_accepts_the_cluster_file(cluster: dict[str, Any]) -> None:
    validate_config(cluster)
    assert cluster["provider"]["type"] == "local"


def test_every_worker_named_is_started(cluster: dict[str, Any]) -> None:
    (node_type,) = cluster["available_node_types"].values()
    workers = len(cluster["provider"]["worker_ips"])
    assert node_type["min_workers"] == node_type["max_workers"] == cluster["max_workers"] == workers


def test_every_mounted_path_of_the_tree_exists(cluster: dict[str, Any]) -> None:
    local_paths = [path for path in cluster["file_mounts"].values() if not path.startswith("~")]
    assert local_paths
    assert [path for path in local_paths if not (TREE / path).exists()] == []


def test_every_file_that_a_command_installs_from_is_mounted_in_its_place(cluster: dict[str, Any]) -> None:
    named = {path for command in every_command(cluster) for path in re.findall(r"\S+\.(?:lock|toml|txt)\b", command)}
    assert named == {"requirements.lock"}
    for path in named:
        assert cluster["file_mounts"][ON_THE_NODES + path] == path


def test_everything_the_build_needs_is_mounted(cluster: dict[str, Any]) -> None:
    described = tomllib.loads((TREE / "pyproject.toml").read_text())
    packages = {package.partition(".")[0] for package in described["tool"]["setuptools"]["packages"]}
    needed = {"pyproject.toml", described["project"]["readme"], *described["project"]["license-files"], *packages}
    assert needed <= set(cluster["file_mounts"].values())


@pytest.mark.parametrize("node", ["head", "worker"])
def test_a_node_installs_only_what_the_lock_file_names(cluster: dict[str, Any], node: str) -> None:
    installs = [command for command in cluster[f"{node}_setup_commands"] if "pip install" in command]
    locked, package = installs
    assert {"--require-hashes", "requirements.lock"} <= set(words(locked))
    assert {"--no-deps", "--no-build-isolation"} <= set(words(package))


@pytest.mark.parametrize("node", ["head", "worker"])
def test_a_node_shows_the_token_that_is_mounted(cluster: dict[str, Any], node: str) -> None:
    stop, start = cluster[f"{node}_start_ray_commands"]
    assert stop.endswith("ray stop")
    assert "RAY_AUTH_MODE=token" in words(start)
    assert "~/.ray/auth_token" in cluster["file_mounts"]


def test_the_head_notices_a_hung_node_within_seconds(cluster: dict[str, Any]) -> None:
    start = words(cluster["head_start_ray_commands"][-1])
    exports = dict(word.split("=", 1) for word in start[1 : start.index(";")])
    assert {name: exports.get(name) for name in HEALTH_CHECK} == HEALTH_CHECK


def test_the_dashboard_answers_on_the_loopback_only(cluster: dict[str, Any]) -> None:
    start = words(cluster["head_start_ray_commands"][-1])
    assert "--dashboard-host=127.0.0.1" in start


@pytest.mark.parametrize("node", ["head", "worker"])
def test_ray_knows_every_option_it_is_started_with(cluster: dict[str, Any], node: str) -> None:
    known = {name for parameter in ray_start.params for name in parameter.opts}
    command = cluster[f"{node}_start_ray_commands"][-1].rpartition(";")[2]
    options = {word.partition("=")[0] for word in words(command) if word.startswith("--")}
    assert "--metrics-export-port" in options
    assert options <= known


def test_every_command_is_something_a_shell_can_read(cluster: dict[str, Any]) -> None:
    for command in every_command(cluster):
        subprocess.run(["bash", "-n", "-c", command], check=True, timeout=10)
