"""A board that the host plays, bit for bit."""
