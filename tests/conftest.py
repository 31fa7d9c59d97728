from __future__ import annotations

from hypothesis import settings

from tests.interrupts import restore_ctrl_c

restore_ctrl_c()

# Times belong to benchmarks: a busy machine is no reason for a law to fail.
settings.register_profile("candles", deadline=None)
settings.load_profile("candles")
