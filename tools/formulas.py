"""Formulas of the documentation as MathML, when the site is built.

Browsers set MathML themselves: no script is loaded, and the site reads the same without a network.
"""

import html
import re
from typing import Any

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)

# Functions by name, of which the next sign keeps away.
_NAME = re.compile(r"(<m[io]>(?:log|exp|det|div|tr|diag|cosh?|sinh?|max|min)</m[io]>)(<m[in])")


def on_page_content(content: str, **_: Any) -> str:
    """Called by MkDocs with each page: what is set between dollars becomes MathML."""

    def formula(found: re.Match[str]) -> str:
        is_inline = found[2] == "("
        # The converter knows no `arg`.
        text = html.unescape(found[3]).strip().replace(r"\arg", r"\operatorname{arg}")
        made = convert(text, display="inline" if is_inline else "block")
        made = _NAME.sub(r"\1<mspace width='0.17em' />\2", made)
        return f'<{found[1]} class="formula">{made}</{found[1]}>'

    return _FORMULA.sub(formula, content)
