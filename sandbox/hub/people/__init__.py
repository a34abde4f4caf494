"""Who is who at the hub: tokens, rosters, the negative list."""
