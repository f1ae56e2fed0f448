"""The commands about devices, boards and chips: one module each, found by its name."""
