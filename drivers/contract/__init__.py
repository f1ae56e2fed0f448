"""The device contract: what a driver author reads, implements and is checked by."""
