"""A comparison as a page, figures, Markdown and JSON."""
