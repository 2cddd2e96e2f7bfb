"""Execute the chapters, show their figures and claims, and render the book.

`python -m poly.press --help` lists the commands. Importing this package imports none of its modules.
"""
