"""Jobs as stored events, and which process runs which job."""
