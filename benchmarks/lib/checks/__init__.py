"""Promises, each checked against what is left after a run. A check returns what it found broken."""
