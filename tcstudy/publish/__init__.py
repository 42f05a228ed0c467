"""From parameter files to executed pages, and from executed pages to the book."""
