"""The weights that a training begins with: drawn, of another run, or of a model from elsewhere."""
