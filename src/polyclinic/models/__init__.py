"""Models that every area wants, over dense or sequence columns."""
