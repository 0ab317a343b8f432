"""privcredit: eligibility from encrypted partial scores."""
