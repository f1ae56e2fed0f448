"""Plots of pages, each a function from numbers to an `<svg>` element."""
