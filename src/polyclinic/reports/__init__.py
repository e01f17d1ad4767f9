"""What a run tells people: the finding, the page, the model card, and the schema of `report.json`."""
