"""The parts of the RateLimiter: queue, dispatcher, account, journal."""
