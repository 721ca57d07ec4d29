"""What agents may do by themselves, and what became of their work so far."""
