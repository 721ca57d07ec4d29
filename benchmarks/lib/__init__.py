"""The harness: stacks, load, accounting, floors, faults."""
