"""Bound filters compiled to SQL; the meaning is `headcount.scim.filters.evaluation`."""
