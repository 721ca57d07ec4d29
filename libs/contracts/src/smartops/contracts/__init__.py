"""What SmartOps says on the wire and writes in the log: envelope, subjects, events, commands."""
