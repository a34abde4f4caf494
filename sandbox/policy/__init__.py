"""Who may run what, in which state: pure decisions over documents, no clock, no store."""
