"""How Sphinx builds the site: ``make docs``, or ``sphinx-build docs docs/_build/html``."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "hachimachi"
author = copyright = "the authors of hachimachi"
try:
    version = release = installed("hachimachi")
except ImportError:  # a checkout on the path that nobody installed
    version = release = ""

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "formulas", "generated"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4
myst_fence_as_directive = []
highlight_language = "none"
default_role = "code"  # docstrings say `name` as Markdown does
nitpicky = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring, napoleon_numpy_docstring = True, False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "hachimachi"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_math_renderer = "svg"
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}
copybutton_exclude = ".linenos, .gp, .go"
