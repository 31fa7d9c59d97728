"""A collection job: its request, plan, life as events, progress and forecast."""
