"""The log as the hub keeps and proves it."""
