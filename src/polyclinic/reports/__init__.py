"""What a run shows people: the finding, the page, the model card, and the schema of `report.json`."""
