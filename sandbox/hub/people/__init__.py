"""Who is who at the hub: tokens, rosters, the status lists."""
