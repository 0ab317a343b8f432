"""The command line: privcredit <noun> <verb>."""
