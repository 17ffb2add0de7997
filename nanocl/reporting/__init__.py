"""Tables, metrics, statistics, leaderboard and citations, computed from records."""
