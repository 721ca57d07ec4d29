"""The floor every service stands on: log and bus joined into reactions."""
