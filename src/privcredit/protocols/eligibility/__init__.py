"""The main job: request, contributions, evaluation order, output shares, receipt (`protocols/eligibility/spec.md`)."""
