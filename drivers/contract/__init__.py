"""The device contract: the classes that a driver author reads and implements."""
