"""Formulas as MathML, which browsers draw themselves: no script, no network, any colour scheme."""

from docutils import nodes
from latex2mathml.converter import convert


def inline(translator, node):
    """Write a formula into a line."""
    translator.body.append(f'<span class="math">{mathml(node, "inline")}</span>')
    raise nodes.SkipNode


def display(translator, node):
    """Write a formula of its own line, which can be scrolled where the page is narrow."""
    translator.body.append(f'<div class="math display">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def mathml(node, kind):
    """Return a node's LaTeX as MathML; refuse what would be drawn wrongly."""
    latex = node.astext()
    written = convert(latex, display=kind)
    if "<mi>&</mi>" in written or "\\" in written:
        raise ValueError(f"latex2mathml does not know all of this formula: {latex}")
    return written


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
