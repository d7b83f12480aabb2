"""Where pages come from: a package's Jinja templates, escaped, undefined names being errors."""

import jinja2

from adversarial.reporting.style import page_css

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""What a page may do: show itself and its pictures. It runs no script and fetches nothing."""


def make_environment(package: str) -> jinja2.Environment:
    """Return the environment of the templates in a package's folder `templates`.

    They can call `page_css`, which declares the colours and fonts that all pages share, and carry
    the policy that all pages do.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"page_css": page_css, "content_security_policy": POLICY}
    return environment
