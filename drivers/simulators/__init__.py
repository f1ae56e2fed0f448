"""Simulators of others as devices."""
