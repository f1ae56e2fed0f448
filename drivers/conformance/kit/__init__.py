"""What the conformance checks are made with.

harness      the device under test, with a small network that every check understands
charge       at which charge neurons fire
comparing    whether two runs are alike, exactly or in distribution
ending       how a check ends that does not pass
verdict      one check made: passed, failed or not applicable
"""
