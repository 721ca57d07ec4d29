"""Benchmarks: how fast, and what it costs."""
