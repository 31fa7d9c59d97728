"""`python -m actors` is the same program as `candles`."""

from actors.cli import main

main()
