"""The sections of the page: what every report has, and the section types of polyclinic that a report may have."""
