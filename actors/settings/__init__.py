"""The settings file: its sections, its values, and its mistakes."""
