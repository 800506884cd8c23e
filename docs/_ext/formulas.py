"""Formulas as SVG inside the page, drawn by Matplotlib as the site is built.

They look the same in every browser: no script, and no font that has to be there.
"""

from __future__ import annotations

import html
import io
import re
from typing import Any

from docutils import nodes
from matplotlib import rc_context
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image

LARGER = 1.15  # than the text around it, whose letters are taller
SIZE = 48.0 / LARGER  # points, so that what Matplotlib rounds does not show; it is scaled to the text around it
STYLE = {"mathtext.fontset": "stix", "svg.fonttype": "path", "svg.hashsalt": "formulas"}


def draw(tex: str) -> str:
    """Return a formula in TeX as an SVG element in the colour of the text, standing on its base line."""
    drawn = io.StringIO()
    with rc_context(STYLE):
        depth = math_to_image(
            f"${' '.join(tex.split())}$", drawn, FontProperties(size=SIZE * LARGER), dpi=72, format="svg"
        )
    # without the white ground, and without a style sheet, which would hold for the whole page
    ground = r'<metadata>.*?</metadata>|<style.*?</style>|<g id="patch_1">.*?</g>'
    svg = re.sub(ground, "", drawn.getvalue().partition("<svg ")[2].strip(), flags=re.DOTALL)
    head, _, rest = svg.partition(">")
    width, height = (float(size) / SIZE for size in re.findall(r'(?:width|height)="([\d.]+)pt"', head))
    [box] = re.findall(r'viewBox="([^"]+)"', head)
    style = f"width:{width:.3f}em;height:{height:.3f}em;vertical-align:{-depth / SIZE:.3f}em"
    label = html.escape(tex.strip())
    rest = rest.replace("#000000", "currentColor")
    opened = f'<svg class="formula" role="img" aria-label="{label}" viewBox="{box}" style="{style}"'
    return f'{opened} fill="currentColor">{rest}'


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(draw(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formulas">{draw(node.astext())}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Add the renderer that ``html_math_renderer = "svg"`` names."""
    app.add_html_math_renderer("svg", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
