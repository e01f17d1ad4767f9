"""Models of genomics."""
