"""What `candles collect candles.toml` does, as a driver script: python examples/collect_candles.py [FILE]."""

import sys

from actors.cli.text.progress import progress_line, summary
from actors.service import CollectionService
from actors.settings.model import Settings

settings = Settings.load(sys.argv[1] if len(sys.argv) > 1 else "examples/candles.toml")
with CollectionService(settings) as service:
    job = service.submit()
    for progress in job.watch():
        print(progress_line(progress))
print("\n".join(summary(progress)))
