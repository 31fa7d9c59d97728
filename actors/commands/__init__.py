"""The commands of `candles`, one file a group, and what they show."""
