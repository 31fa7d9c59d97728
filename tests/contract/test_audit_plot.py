from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.reports.audit_plot import FORMATS, draw
from domain.errors import SettingsError
from domain.limits.audit import AuditHistory, LimitsInForce, audit
from domain.limits.rates import RateLimit

pytest.importorskip("matplotlib")

GRANTED = np.arange(0.0, 40.0, 0.1)
HISTORY = AuditHistory(
    granted_seconds=GRANTED,
    completed_seconds=GRANTED + 0.05,
    tokens=np.ones(len(GRANTED), np.int64),
    job=np.arange(len(GRANTED)) % 2,
    pool=np.zeros(len(GRANTED), np.int64),
    ending=np.ones(len(GRANTED), np.uint8),
    jobs=("the job", "another"),
    pools=("",),
    limits=(LimitsInForce(0.0, (RateLimit.parse("15/1s"), RateLimit.parse("300/60s"))),),
)


@pytest.mark.parametrize("ending", FORMATS)
def test_an_audit_is_drawn_to_any_kind_of_picture(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"audit{ending}"
    draw(HISTORY, audit(HISTORY, "the job"), path)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("name", ["audit.txt", "audit", "no such folder/audit.svg", "folder.svg"])
def test_a_path_that_no_picture_can_be_written_to_is_wrong_input_and_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(SettingsError, match=name.rpartition("/")[2]):
        draw(HISTORY, audit(HISTORY, "the job"), tmp_path / name)
