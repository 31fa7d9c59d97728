"""How the simulated exchange speaks, one file a broker."""
