import pytest

from poly.press.claims.formulas import typeset


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("about n²/4m neurons", "about <var>n</var>²/4<var>m</var> neurons"),
        ("θ = λ/(1 − ‖W_i‖²)", "<var>θ</var> = <var>λ</var>/(1 − ‖<var>W</var><sub>i</sub>‖²)"),
        ("share / n = 1/3, m = 2n", "share / <var>n</var> = 1/3, <var>m</var> = 2<var>n</var>"),
        ("a 95 % t interval", "a 95 % <var>t</var> interval"),
        ("I see a row: Student's, X-ray, e.g. C7a", "I see a row: Student&#x27;s, X-ray, e.g. C7a"),
        ("x < y & <em>", "<var>x</var> &lt; <var>y</var> &amp; &lt;em&gt;"),
        ("fixed λt, much on λ.", "fixed <var>λ</var><var>t</var>, much on <var>λ</var>."),
        ("σ²φ(a/σ), λ√m", "<var>σ</var>²<var>φ</var>(a/<var>σ</var>), <var>λ</var>√<var>m</var>"),
        ("", ""),
    ],
)
def test_symbols_are_set_and_words_are_not(text: str, shown: str) -> None:
    assert typeset(text) == shown
