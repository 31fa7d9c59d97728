"""An account's permits on disk: the record, the audit log, and the operator's pause."""
