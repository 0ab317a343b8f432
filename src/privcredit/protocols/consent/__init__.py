"""Who is asked about: pseudonyms, registrations, enrolments, consents and nullifiers (`protocols/consent/spec.md`)."""
