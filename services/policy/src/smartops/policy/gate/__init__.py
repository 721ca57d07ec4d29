"""The gate of a task: plans weighed, voices heard, what takes them back."""
