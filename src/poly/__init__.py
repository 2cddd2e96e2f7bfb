"""The laboratory of *What Causes Polysemanticity?*, the executable edition.

Modules are namespaces: ``theory.polysemantic_neurons(n, m)`` is the prediction, and ``metrics.polysemantic_neurons(W)``
is the measurement. ``poly.press`` prints the book.
"""
