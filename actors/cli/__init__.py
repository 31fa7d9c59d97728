"""The command `candles`: one file a group of commands, and the words they use."""
