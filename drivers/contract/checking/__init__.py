"""What is checked for every driver: what it states, what it is asked for and what it answers."""
