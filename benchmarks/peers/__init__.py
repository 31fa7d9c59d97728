"""Our rate limiter beside others' on the same network, against the same strict server, in one run."""
