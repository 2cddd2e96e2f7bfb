"""Figures as the book shows them: one style, fixed colors for fixed things, alt text and caption always.

``show`` leaves alt text, caption and name in the output's metadata; staging turns them into a numbered
figure of the page. A reader of the live notebook sees the caption below the picture.
"""

import io
from typing import Any

import matplotlib as mpl
from IPython.display import display
from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by color-blind readers; one thing, one color, in every chapter.
COLORS = {
    "theory": "#222222",
    "paper": "#D55E00",
    "flow": "#0072B2",
    "run": "#0072B2",
    "adamw": "#E69F00",
    "benign": "#009E73",
    "malign": "#CC79A7",
    "null": "#8C8C8C",
    "positive": "#D55E00",
    "negative": "#0072B2",
}

# Retina-sharp on a screen, and sharp on paper at the book's column width.
_DPI = 220
_CSS_DPI = 96

mpl.rcParams.update(
    {
        "font.size": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#E4E4E4",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.8,
        "legend.frameon": False,
        "image.interpolation": "nearest",
    }
)


def subplots(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (7.2, 4.2), **options: Any) -> Any:
    """An empty figure and its axes, as ``plt.subplots``, that is displayed by ``show`` and by nothing else.

    Args:
        rows, columns: of the grid of axes.
        size: width and height in inches; 7.2 fills the book's column.
        options: as ``Figure.subplots``.
    """
    fig = Figure(figsize=size, layout="constrained")
    return fig, fig.subplots(rows, columns, **options)


def show(fig: Figure, name: str, *, alt: str, caption: str, keep_colors: bool = False) -> None:
    """Show a finished figure in the chapter.

    Args:
        fig: the figure.
        name: label for cross-references, unique in the book, such as "fig-row-race".
        alt: what the figure shows, for a reader who cannot see it.
        caption: understandable without the text around it; markdown, may hold ``$math$``.
        keep_colors: True where the dark theme must not invert the picture, as for heat maps.

    Raises:
        ValueError: an empty name, alt text or caption.
    """
    for field, value in (("name", name), ("alt", alt), ("caption", caption)):
        if not value.strip():
            raise ValueError(f"figure {name!r}: {field} is empty, every figure has one")
    picture = io.BytesIO()
    fig.savefig(picture, format="png", dpi=_DPI)
    width = round(fig.get_figwidth() * _CSS_DPI)
    about: dict[str, Any] = {
        "name": name,
        "alt": alt,
        "caption": caption,
        "theme": "keep" if keep_colors else "invert",
        "width": width,
    }
    display(  # type: ignore[no-untyped-call]
        {"image/png": picture.getvalue(), "text/plain": f"<figure {name}>"},
        raw=True,
        metadata={"poly": {"figure": about}, "image/png": {"width": width}},
    )
    beside = {"text/markdown": f"*{caption}*", "text/plain": caption}
    display(beside, raw=True, metadata={"poly": {"caption": True}})  # type: ignore[no-untyped-call]
