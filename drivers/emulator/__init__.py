"""The emulated chip as a device: the only drivers that import the physics, `device_models`.

`device` is the driver of `emulator:` addresses. `datasheet` and `chip_instance` tell what is true
of an emulated chip, which no device tells: they are for the page of a chip and for tests, never
for training.
"""
