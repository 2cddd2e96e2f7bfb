from poly.press.typeset import equations


def mathml(tex: str, *, display: bool = False) -> str:
    """Return an equation as the press writes it."""
    (made,) = equations.typeset([equations.Equation(tex, display)])
    assert isinstance(made, str)
    return made


EQUATION = mathml("a < b_i")
DISPLAY = mathml("\\begin{split}a \\\\ b\\end{split}", display=True)

SOLID = "_static/vendor/fontawesome/webfonts/fa-solid-900.ttf"


PAGE = f"""<html><head>
  <link href="_static/theme.css?digest=1" rel="stylesheet" />
<link rel="stylesheet" type="text/css" href="_static/book.css?v=2" />
  <script src="_static/documentation_options.js?v=1"></script>
  <script src="_static/doctools.js?v=1"></script>
  <script>DOCUMENTATION_OPTIONS.pagename = 'page';</script>
  <script src="_static/searchtools.js"></script>
  <script defer src="_static/scripts/fontawesome.js?digest=1"></script>
</head><body class="used">
<p>So {EQUATION} holds.</p>
<div class="math notranslate nohighlight" id="equation-one">
<span class="eqno">(1)<a href="#equation-one">#</a></span><div class="equation">{DISPLAY}</div></div>
<div class="highlight"><pre>x = <span class="mi">1</span>
<span class="s2">f"a</span></pre></div>
<a href="_images/dot.png"><img alt="a dot" src="_images/dot.png"/></a>
</body></html>"""


SHEET = """/* first */ /*! keep me */ @import "basic.css";
.used, .unused { color: red } .unused > .used { color: blue } p.used:not(.unused) { margin: 0 }
@media print { .unused { color: red } #equation-one { color: red } } @media screen { .unused { color: red } }
@font-face { font-family: "Font Awesome 6 Free"; src: url(x.woff2) }
[href] { --asked: 1; --idle: 2; --chain: var(--idle); top: var(--asked) }
.used[open] { top: 1px } [data-gone], tt, So { top: 0 }
:focus-visible { top: 2px } .unused:hover { top: 3px } a[aria-current=true] { top: 4px } .show { top: 5px }
.used:before { content: "\\f0c9" } @keyframes spin { from { top: 0 } }"""


SCRIPT = """!function(){"complete"===document.readyState?Y():window.addEventListener("load",Y)}();
//# sourceMappingURL=pydata-sphinx-theme.js.map"""
