"""Scorecards, PMML import and policies: plain arithmetic."""
