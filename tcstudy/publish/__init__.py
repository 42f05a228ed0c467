"""From parameter files to executed pages, and from executed pages to the book."""

import sys

# nbformat imports jsonschema, which makes a grammar of international web addresses at once if it finds this package:
# most of a second, for a format that no notebook has.
sys.modules.setdefault("rfc3987_syntax", None)
