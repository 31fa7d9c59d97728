"""The private folder of embedded clusters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.cluster import temp_dir
from actors.cluster.temp_dir import private_temp_dir


@pytest.fixture(autouse=True)
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(temp_dir, "SHORT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_can_enter_it_under_any_umask(short: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = private_temp_dir()
    finally:
        os.umask(before)
    assert folder == private_temp_dir() == short / f"candles-{os.getuid()}" / "ray"
    assert folder.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("squatter", ["open", "link", "file"])
def test_a_folder_that_others_can_enter_or_have_made_is_not_used(short: Path, squatter: str) -> None:
    taken = short / f"candles-{os.getuid()}"
    if squatter == "open":
        taken.mkdir()
        taken.chmod(0o755)
    elif squatter == "link":
        (short / "elsewhere").mkdir(mode=0o700)
        taken.symlink_to(short / "elsewhere")
    else:
        taken.touch()
    folder = private_temp_dir()
    assert folder.parent != taken
    assert folder.parent.stat().st_mode & 0o777 == 0o700
