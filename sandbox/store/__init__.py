"""Where a party's state lives: one database, every change with its log entry in one transaction."""
