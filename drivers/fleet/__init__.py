"""`fleet:` - many devices as one: a batch is shared out among them."""
