"""The `smartops` command. Nothing heavy is imported before a command asks for it."""
