"""Observation of a device: what is read, and the rates of hidden layers that are made of it."""
