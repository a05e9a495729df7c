"""What a run found out: metrics, and their rendering for a terminal and for programs."""
