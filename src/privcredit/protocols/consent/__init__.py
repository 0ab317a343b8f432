"""Who is asked about: pseudonyms, enrolments, consents and nullifiers (`protocols/consent/spec.md`)."""
