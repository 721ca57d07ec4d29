"""Decides whether a plan may run and who must approve it."""
