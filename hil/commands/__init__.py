"""The commands of `hil`, one file for each matter; `hil.cli` puts them together."""
