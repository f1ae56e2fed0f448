"""A board simulated by the host, bit for bit as the firmware behaves."""
