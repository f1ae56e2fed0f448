"""The command line, and nothing else: nobody imports it."""
