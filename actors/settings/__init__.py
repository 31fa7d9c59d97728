"""The settings file: its sections, its values, and what is wrong with it."""
