"""The entrants, one file for each project that they come from."""
