"""Where a cluster answers, and where nobody does: told by the first bytes, without Ray."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cluster import addresses
from actors.cluster.addresses import live_address

SETTINGS_FRAME = bytes(3) + b"\x04" + bytes(5)


class Listener:
    """A server that answers its first bytes with fixed ones; None: it is frozen, and only the kernel answers."""

    def __init__(self, answer: bytes | None) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        if answer is not None:
            threading.Thread(target=self._serve, args=(answer,), daemon=True).start()

    def _serve(self, answer: bytes) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(answer)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    one = Listener(request.param)
    yield one
    one.close()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cluster is announced; the returned file would announce one."""
    for name in ("RAY_ADDRESS", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(addresses, "ANSWER_SECONDS", 0.5)
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray" / "ray_current_cluster"


def said_of(address: str) -> str:
    began = time.monotonic()
    with pytest.raises(ConnectionError) as caught:
        live_address(address)
    assert time.monotonic() - began < 5
    return str(caught.value)


@pytest.mark.parametrize("listener", [SETTINGS_FRAME], indirect=True)
@pytest.mark.parametrize("form", ["{}", "ray://{}"])
def test_a_cluster_that_answers_is_joined(listener: Listener, form: str) -> None:
    assert live_address(form.format(listener.address)) == form.format(listener.address)


@pytest.mark.parametrize("listener", [SETTINGS_FRAME], indirect=True)
def test_auto_is_what_ray_address_names_else_what_ray_start_announced(
    listener: Listener, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write_text(f"{listener.address}\n")
    assert live_address("auto") == listener.address
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    assert said_of("auto").startswith("no Ray cluster answers at 127.0.0.1:9, which RAY_ADDRESS names (")


def test_a_machine_without_a_cluster_is_told_from_one_whose_cluster_was_killed(machine: Path) -> None:
    assert said_of("auto").startswith("no Ray cluster runs on this machine: `ray start --head` starts one")
    machine.write_text("127.0.0.1:9")
    assert said_of("auto").startswith(f"no Ray cluster answers at 127.0.0.1:9, which {machine} names (Connection ref")


@pytest.mark.parametrize("listener", [None], indirect=True)
def test_a_frozen_head_whose_kernel_takes_the_connection_is_no_cluster_that_answers(listener: Listener) -> None:
    assert said_of(listener.address) == f"no Ray cluster answers at {listener.address} (timed out)"


@pytest.mark.parametrize("listener", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], indirect=True)
def test_another_program_on_the_port_is_no_cluster(listener: Listener) -> None:
    assert said_of(listener.address) == f"no Ray cluster answers at {listener.address} (what listens there is none)"


@pytest.mark.parametrize("address", ["head", "head:port", "ray://head", "127.0.0.1:99999"])
def test_what_is_no_address_is_said_to_be_none(address: str) -> None:
    assert said_of(address) == f"{address} is no address of a Ray cluster: host:port or ray://host:port is"
