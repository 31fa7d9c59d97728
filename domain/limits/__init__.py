"""A broker account's limits, and the ledger by which no window ever holds more."""
