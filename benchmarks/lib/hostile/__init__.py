"""Calls and plans that nobody approved, made by seeded mutation of really approved plans."""
