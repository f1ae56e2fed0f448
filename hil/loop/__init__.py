"""Learning in the loop: a device under training, from the first batch to the result."""
