"""The same roles over HTTPS: one app per role, channel and client."""
