"""The commands of `hil`: a module here defines the command of its name."""
