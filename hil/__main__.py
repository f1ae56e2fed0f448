"""`python -m hil` is the `hil` command."""

from hil.cli.app import main

main()
