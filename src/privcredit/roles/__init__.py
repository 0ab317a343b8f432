"""Who may run what, when, with which stored data."""
