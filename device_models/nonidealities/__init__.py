"""What is not ideal about a chip: its tiers, and the parameters of each."""
