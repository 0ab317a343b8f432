"""Scorecards and policies: plain arithmetic on published rules, no I/O but files that the caller names."""
