"""What can be done with jobs from outside, and the parts of the coordinator."""
