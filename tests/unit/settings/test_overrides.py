"""The file of calendar overrides: what it gives, and the sentence that each mistake in it gets."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from actors.settings.model import Settings
from domain.candles.sessions import SessionOverride
from domain.errors import SettingsError

BROKER = '[broker]\ngateway = "binance"\n'
STORAGE = '[storage]\nroot = "data"\n'
JOB = '[job]\nsymbols = ["BTCUSDT"]\ninterval = "1m"\nstart = 2024-03-01\n'


def test_calendar_overrides_are_read_with_the_settings_and_travel_with_them(tmp_path: Path) -> None:
    (tmp_path / "sessions.toml").write_text(
        '[XNYS]\n2025-01-09 = "closed"\n2024-03-02 = ["09:15-10:00", "11:30-24:00"]\n'
        '["24/7"]\n2024-02-24 = "00:00-03:00"\n'
    )
    text = BROKER + JOB + 'calendar = "XNYS"\ncalendar_overrides = "sessions.toml"\n' + STORAGE
    job = Settings.from_values(tomllib.loads(text), tmp_path / "candles.toml").require_job()
    assert job.calendar_overrides == (
        SessionOverride("XNYS", date(2025, 1, 9), ()),
        SessionOverride("XNYS", date(2024, 3, 2), ((555, 600), (690, 1440))),
        SessionOverride("24/7", date(2024, 2, 24), ((0, 180),)),
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('2024-03-02 = "closed"', "stands outside of a section"),
        ('[XNYS]\n2024-13-02 = "closed"', "this is not a date"),
        ('[XNYS]\n2024-03-02 = "shut"', 'write "closed", "09:30-13:00", or a list'),
        ("[XNYS]\n2024-03-02 = 7", "is 7: write"),
        ("[XNYS]\n2024-03-02 = []", "is []: write"),
        ('[XNYS]\n2024-03-02 = "10:00-09:00"', "from an earlier to a later time"),
        ('[XNYS]\n2024-03-02 = "23:00-24:30"', "from an earlier to a later time"),
        ('[XNYS]\n2024-03-02 = ["10:00-12:00", "11:00-13:00"]', "without overlaps"),
        ("[XNYS\n", "is not valid TOML"),
        (f"[XNYS]\n2025-01-09 = {'9' * 5000}\n", "is not valid TOML"),
        (None, "cannot be read"),
    ],
)
def test_a_mistake_in_the_calendar_overrides_is_said_in_one_sentence(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "sessions.toml").write_text(content)
    text = BROKER + JOB + 'calendar_overrides = "sessions.toml"\n' + STORAGE
    with pytest.raises(SettingsError) as caught:
        Settings.from_values(tomllib.loads(text), tmp_path / "candles.toml")
    assert sentence in str(caught.value)
    assert str(caught.value).count("\n") == 0
