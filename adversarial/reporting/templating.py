"""Where pages come from: a package's Jinja templates, escaped, undefined names being errors."""

import jinja2

from adversarial.reporting.style import page_css


def make_environment(package: str) -> jinja2.Environment:
    """Return the environment of the templates in a package's folder `templates`.

    They can call `page_css`, which declares the colours and fonts that all pages share.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["page_css"] = page_css
    return environment
