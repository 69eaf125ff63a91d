"""The centre: commits records, then acknowledges them; reports, and shows a page."""
