"""The network as QGIS is set to reach it: its proxy, the sign-in for that, and certificates that were added to it.

What comes out are environment variables, which pip and uv read: a command line would show the password to everybody on the
computer. What the user has set as a variable comes first, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Tuple
from urllib.parse import quote

from qgis.core import QgsApplication, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy, QNetworkProxyQuery

FAR_ADDRESS = "https://www.python.org/"
"""The address that a proxy is asked for: which one is taken may depend on the address, as the system says it."""
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
UV_CERTIFICATES = "SSL_CERT_FILE"
CERTIFICATE_FILES = (UV_CERTIFICATES, "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a file of certificates: for uv, and for pip, which is led astray by the last two."""


@dataclass(frozen=True)
class Network:
    """The settings by which QGIS reaches the network.

    Attributes:
        proxy: Its address, with user and password where it wants them. Empty: there is none.
        direct: Hosts that are reached without it.
        certificates: All certificate authorities that QGIS trusts, in PEM. Empty where the user has added none.
    """

    proxy: str = field(default="", repr=False)
    direct: Tuple[str, ...] = ()
    certificates: str = field(default="", repr=False)


def network_of_qgis() -> Network:
    """Return what is set in QGIS. In the main thread: it may ask for the master password of the authentication."""
    manager = QgsNetworkAccessManager.instance()
    proxy = manager.proxyFactory().queryProxy(QNetworkProxyQuery(QUrl(FAR_ADDRESS)))[0]
    sign_in = str(QgsSettings().value("proxy/authcfg", "") or "")
    if sign_in and proxy.hostName() and not proxy.user():
        # The password of the authentication was not known yet when QGIS started.
        _, proxy = QgsApplication.authManager().updateNetworkProxy(proxy, sign_in)
    excluded = [*manager.excludeList(), *manager.noProxyList()]
    return Network(_address(proxy), tuple(filter(None, map(_host, excluded))), _certificates())


def _address(proxy: QNetworkProxy) -> str:
    kinds = {
        QNetworkProxy.ProxyType.HttpProxy: "http",
        QNetworkProxy.ProxyType.HttpCachingProxy: "http",
        QNetworkProxy.ProxyType.Socks5Proxy: "socks5h",
    }
    if proxy.type() not in kinds or not proxy.hostName():
        return ""
    host = f"[{proxy.hostName()}]" if ":" in proxy.hostName() else proxy.hostName()
    port = f":{proxy.port()}" if proxy.port() else ""
    user, password = (quote(one, safe="") for one in (proxy.user(), proxy.password()))
    sign_in = f"{user}:{password}@" if password else f"{user}@" if user else ""
    return f"{kinds[proxy.type()]}://{sign_in}{host}{port}"


def _host(excluded: str) -> str:
    """Return the host in the beginning of an address, which is what QGIS lists, as ``NO_PROXY`` wants it."""
    excluded = excluded.strip()
    return QUrl(excluded if "//" in excluded else f"//{excluded}").host()


def _certificates() -> str:
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not (manager.databaseCAs() or manager.extraFileCAs()):
        return ""  # The installers know those of the system by themselves.
    return "".join(bytes(one.toPem()).decode("ascii") for one in manager.trustedCaCerts())


def network_variables(network: Network, own: Mapping[str, str], certificates: str) -> Dict[str, str]:
    """Return the variables that tell an installer of ``network``.

    Args:
        own: Variables of the user. What they say of proxies and certificates counts.
        certificates: The file that holds ``network.certificates``.
    """
    told: Dict[str, str] = {}
    names = {name.upper() for name in own}
    if network.proxy and not names & set(PROXIES):
        told.update(dict.fromkeys(PROXIES, network.proxy))
        if "NO_PROXY" not in names:
            told["NO_PROXY"] = ",".join(("localhost", "127.0.0.1", *network.direct))
    if network.certificates:
        told.update({name: certificates for name in CERTIFICATE_FILES if name not in names})
    return told


def variable_of_proxy(own: Mapping[str, str]) -> str:
    """Return the variable of the user that names a proxy, or nothing where what QGIS is set to counts."""
    return next((name for name in own if name.upper() in PROXIES), "")
