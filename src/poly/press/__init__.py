"""Execute the chapters, show their figures and claims, and render the book.

`python -m poly.press --help` lists the commands. Importing this package imports none of its modules.
"""

import sys

# nbformat loads jsonschema, which tries to load a grammar for addresses: 1.4 s in every process, and no schema here
# has such a field. With this entry the attempt fails, as where the grammar is not installed.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
