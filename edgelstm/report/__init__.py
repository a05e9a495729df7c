"""What a run found out: metrics, and their rendering for a terminal, a program and a browser."""
