"""Numbers from predictions: metrics, intervals, scores and comparisons; no network."""
