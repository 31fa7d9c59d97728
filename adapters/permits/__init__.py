"""The memories of an account's permits: the record, the log that proves a run, the operator's switch."""
