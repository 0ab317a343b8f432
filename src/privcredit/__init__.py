"""privcredit: eligibility from encrypted partial scores."""

__version__ = "0.1.0"
