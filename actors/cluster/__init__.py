"""Everything that imports Ray: the session, the actors' builders and handles, discovery, metrics."""
