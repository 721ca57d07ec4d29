"""Guards of the product, each with an edit that switches it off, and the proof that must notice."""
