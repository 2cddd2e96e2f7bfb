"""The printing press: it executes the chapters, shows their figures and claims, and renders the book.

`python -m poly.press --help` lists what it does; nothing is imported until it is asked for.
"""
