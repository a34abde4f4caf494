"""A permitted job at the hub: rounds, release, end."""
