"""Why a download failed, in a few words.

requests and urllib3 wrap what has happened in several exceptions, whose texts are long and about
themselves. The first cause tells a user what to repair: a certificate, a proxy, a name, a cable.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl

LONGEST = 200
"""The longest reason, in characters: a mirror may have written it."""
CAUSES: tuple[tuple[type[OSError], str], ...] = (
    (TimeoutError, "timed out"),
    (ConnectionRefusedError, "connection refused"),
    (http.client.RemoteDisconnected, "connection closed without an answer"),
    (ConnectionResetError, "connection reset"),
)


def reason(error: Exception, url: str) -> str:
    """Why the request for ``url`` failed: one printable line, with ``LONGEST`` characters or less.

    The line begins with the proxy, or with the host to which the mirror has sent us, if the request
    failed there.
    """
    import requests

    if isinstance(error, requests.HTTPError):
        text = str(error).partition(" for url")[0]  # 404 Client Error: Not Found
    else:
        text = _words(_first_cause(error))
    text = _elsewhere(error, url) + text
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= LONGEST else f"{printable[: LONGEST - 3]}..."


def _words(cause: BaseException) -> str:
    """What has happened, in the words of the table or of the operating system."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause}"
    if isinstance(cause, socket.gaierror):
        return f"name not resolved: {cause.strerror}"
    for kind, words in CAUSES:
        if isinstance(cause, kind):
            return words
    if type(cause) is OSError:  # for example, no route to the host
        return cause.strerror or str(cause)
    name, message = type(cause).__name__, str(cause)
    return message if message.startswith(name) else f"{name}: {message}"


def _elsewhere(error: Exception, url: str) -> str:
    """Where the request failed, if not at the host in ``url``; never the password of a proxy."""
    import requests

    request, response = getattr(error, "request", None), getattr(error, "response", None)
    reached: str = getattr(request, "url", None) or url
    status = getattr(response, "status_code", None)
    if isinstance(error, requests.exceptions.ProxyError) or status == 407:
        proxies = requests.utils.get_environ_proxies(reached)
        if proxy := requests.utils.select_proxy(reached, proxies):
            return f"proxy {_host(proxy)}: "
    return f"moved to {_host(reached)}: " if _host(reached) != _host(url) else ""


def _host(url: str) -> str:
    """The host of an address, with its port. Unlike parsers it accepts every address."""
    found = re.match(r"(?:[^/]*//)?(?:[^/]*@)?([^/?#]*)", url)
    return found[1] if found else url


def _first_cause(error: BaseException) -> BaseException:
    """What happened before requests and urllib3 wrapped it; ``error`` if it is their own."""
    cause = error.__cause__ or error.__context__
    if cause is None or type(error).__module__.split(".")[0] not in ("requests", "urllib3"):
        return error
    return _first_cause(cause)
