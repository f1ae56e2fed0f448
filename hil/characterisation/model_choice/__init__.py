"""Which model a twin is made of: fitted to the device, then held against plainer ones."""
