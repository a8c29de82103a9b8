"""Long-time solver: every merger of clusters, at any beta, in log time."""
