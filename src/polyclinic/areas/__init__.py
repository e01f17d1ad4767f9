"""Areas of medicine: one folder each, of the same shape, none knowing of another."""
