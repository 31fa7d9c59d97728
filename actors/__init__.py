"""The running system: everything that touches Ray."""
