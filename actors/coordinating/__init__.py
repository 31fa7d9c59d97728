"""The parts of the JobCoordinator: its workers, its live counts, its recorder and its commands."""
