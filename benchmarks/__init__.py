"""Experiments: benchmarks of what we claim to be fast, proofs of what we promise."""
