"""One way to draw: inline SVG with a title and a description, light and dark, the same bytes for the same numbers."""
