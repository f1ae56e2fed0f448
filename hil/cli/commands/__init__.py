"""The commands of `hil`, one file for each matter; `hil.cli.app` puts them together."""
