"""Projects the log, verifies its chain, anchors its heads."""
