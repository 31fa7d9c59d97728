"""The candle store and other stores of tables on disk, side by side in one run."""
