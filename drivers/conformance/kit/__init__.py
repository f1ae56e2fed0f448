"""What the conformance checks are made with."""
