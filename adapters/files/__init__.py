"""Files that are there whole or not at all, and locks that die with their process."""
