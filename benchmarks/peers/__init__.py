"""Our rate limiter and others on the same network, against the same strict server, in one run."""
