"""The real parts behind the ports of `domain.ports`."""
