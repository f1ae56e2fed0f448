"""Who is in the league: every module of `entrants` defines `ENTRANTS`, and is found by its name."""
