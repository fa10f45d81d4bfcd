"""Pages: one HTML file with its pictures inside, and what stands on it."""
