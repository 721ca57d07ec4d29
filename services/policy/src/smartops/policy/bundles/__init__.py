"""Which policy is in force: governed changes, and bundles that only look on."""
