"""What every part of the hub works with."""
