"""What HTTP gateways share: sessions, attempts, and the reading of headers."""
