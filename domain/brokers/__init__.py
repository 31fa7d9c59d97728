"""What a broker is to us: the gateway's port and what passes through it."""
