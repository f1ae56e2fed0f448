"""Spiking simulators that others wrote, each behind the device contract."""
