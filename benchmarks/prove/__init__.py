"""Proofs: a promise, what is done to break it, and how it is checked."""
