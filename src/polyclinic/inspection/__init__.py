"""What needs a fitted model: which inputs matter to it."""
