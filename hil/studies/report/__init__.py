"""What a finished study shows: its tables, its page, and the sections of it."""
