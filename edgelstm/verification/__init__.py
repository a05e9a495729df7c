"""The verification ladder: every rung computes the same model, and every value must be the same."""
