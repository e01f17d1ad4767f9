"""Model packages: parts, state, writing, verifying, and answering without torch."""
