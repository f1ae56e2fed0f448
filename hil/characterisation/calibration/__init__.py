"""Calibration: the settings that even out the neurons of one device, found and kept in a file."""
