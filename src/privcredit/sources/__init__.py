"""Where a holder's records live: scorecards compiled to its own engine."""
