"""Test the paper *What Causes Polysemanticity?*: a laboratory, and a press that makes the book.

Modules are namespaces: ``theory.polysemantic_neurons(n, m)`` is the prediction, and ``metrics.polysemantic_neurons(W)``
is the measurement. ``poly.press`` executes, checks and renders the book.
"""
