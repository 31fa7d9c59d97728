"""`python -m actors` is the same program as `candles`."""

from actors.cli.main import main

main()
