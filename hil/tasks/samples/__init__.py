"""Samples and labels: what their axes mean, and how they become what a network takes."""
