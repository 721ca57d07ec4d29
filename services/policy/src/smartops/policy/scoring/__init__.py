"""What a plan is worth and what it may cost: the validation pipeline and its scores."""
