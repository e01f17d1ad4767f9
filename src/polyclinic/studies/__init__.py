"""Studies: a question in one YAML, read, run, resumed and evaluated."""
