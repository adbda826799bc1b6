"""TLS as the runner's own clients speak it, with whoever answers: certificates are made here and sign themselves."""

import ssl


def unverified_context() -> ssl.SSLContext:
    """A client's context that believes every server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
