"""The emulated chip as a device: the only package that touches the physics."""
