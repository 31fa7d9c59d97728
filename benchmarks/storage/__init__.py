"""The candle store against what else keeps tables on disk, side by side in one run."""
