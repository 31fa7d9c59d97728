"""What the commands say: pure functions from values to words."""
