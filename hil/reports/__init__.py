"""Pages about runs and chips: each one file that needs no network."""
