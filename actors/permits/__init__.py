"""What stands behind the RateLimiter and its clients: queue, dispatcher, account, leases, the operator's switch."""
