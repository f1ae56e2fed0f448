"""The line to a board: frames, loss and repair, pace."""
