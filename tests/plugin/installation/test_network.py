"""What is set in QGIS about the network, its proxy, sign-in and certificates, reaches pip and uv, and no log."""

from __future__ import annotations

import subprocess

import pytest
from qgis.core import QgsApplication, QgsAuthMethodConfig, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtNetwork import QSslCertificate

PASSWORD = "ge:h@i/m%"
KEYS = ("proxyEnabled", "proxyType", "proxyHost", "proxyPort", "proxyUser", "proxyPassword", "authcfg", "noProxyUrls",
        "proxyExcludedUrls")  # fmt: skip


@pytest.fixture
def qgis_is_set_to(provider):
    """Return what sets the network of QGIS as its options do."""

    def put(**values: object) -> None:
        for key in KEYS:
            QgsSettings().remove(f"proxy/{key}")
        for key, value in values.items():
            QgsSettings().setValue(f"proxy/{key}", value)
        QgsNetworkAccessManager.instance().setupDefaultProxyAndCache()

    yield put
    put()


def network():
    from qgis_false.installation.network import network_of_qgis

    return network_of_qgis()


def test_without_a_proxy_nothing_is_told(qgis_is_set_to):
    from qgis_false.installation.network import Network, network_variables

    qgis_is_set_to()
    assert network() == Network()
    qgis_is_set_to(proxyEnabled=False, proxyType="HttpProxy", proxyHost="proxy.example.org", proxyPort="3128")
    assert network() == Network()
    assert network_variables(network(), {}, "/c.pem") == {}


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("HttpProxy", "http://proxy.example.org:3128"),
        ("HttpCachingProxy", "http://proxy.example.org:3128"),
        ("Socks5Proxy", "socks5h://proxy.example.org:3128"),
        ("FtpCachingProxy", ""),
    ],
)
def test_a_proxy_of_every_kind(qgis_is_set_to, kind, address):
    qgis_is_set_to(proxyEnabled=True, proxyType=kind, proxyHost="proxy.example.org", proxyPort="3128")
    assert network().proxy == address


def test_user_and_password_and_hosts_without_it(qgis_is_set_to):
    from qgis_false.installation.network import network_variables

    qgis_is_set_to(
        proxyEnabled=True, proxyType="HttpProxy", proxyHost="proxy.example.org", proxyPort="3128", proxyUser="anna",
        proxyPassword=PASSWORD, noProxyUrls=["https://maps.example.org/wms", "intranet"],
        proxyExcludedUrls=["http://10.1.2.3:8080", ""],
    )  # fmt: skip
    told = network_variables(network(), {}, "/c.pem")
    assert told["HTTPS_PROXY"] == told["HTTP_PROXY"] == "http://anna:ge%3Ah%40i%2Fm%25@proxy.example.org:3128"
    assert told["NO_PROXY"] == "localhost,127.0.0.1,10.1.2.3,maps.example.org,intranet"
    assert "ge%3A" not in repr(network())


def test_a_sign_in_that_was_opened_later_counts(qgis_is_set_to):
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not manager.setMasterPassword("master", False):
        pytest.skip("the authentication of this QGIS cannot be opened")
    sign_in = QgsAuthMethodConfig("Basic")
    sign_in.setName("proxy of the office")
    sign_in.setConfig("username", "anna")
    sign_in.setConfig("password", PASSWORD)
    assert manager.storeAuthenticationConfig(sign_in)[0]
    try:
        where = {"proxyEnabled": True, "proxyType": "HttpProxy", "proxyHost": "proxy.example.org", "proxyPort": "3128"}
        qgis_is_set_to(**where)
        QgsSettings().setValue("proxy/authcfg", sign_in.id())  # As where QGIS starts before the password is given.
        assert network().proxy == "http://anna:ge%3Ah%40i%2Fm%25@proxy.example.org:3128"
        qgis_is_set_to(**where, authcfg=sign_in.id())
        assert network().proxy == "http://anna:ge%3Ah%40i%2Fm%25@proxy.example.org:3128"
    finally:
        manager.removeAuthenticationConfig(sign_in.id())


def test_what_the_user_has_set_as_a_variable_comes_first(provider):
    from qgis_false.installation.network import Network, network_variables, variable_of_proxy

    of_qgis = Network("http://proxy.example.org:3128", ("intranet",), "PEM")
    own = {"https_proxy": "http://mine:1", "SSL_CERT_FILE": "/mine.pem"}
    told = network_variables(of_qgis, own, "/c.pem")
    assert told == dict.fromkeys(("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), "/c.pem")
    assert variable_of_proxy(own) == "https_proxy"
    assert variable_of_proxy({}) == ""


@pytest.mark.thorough
def test_certificates_are_passed_on_where_the_user_has_added_one(provider, tmp_path):
    manager = QgsApplication.authManager()
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "office.pem", "-days",
         "2", "-subj", "/CN=Office"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    if manager.isDisabled() or made.returncode:
        pytest.skip("no certificate can be made, or kept in this QGIS")
    assert network().certificates == "", "the installers know those of the system"
    office = QSslCertificate.fromPath(str(tmp_path / "office.pem"))[0]
    assert manager.storeCertAuthority(office)
    manager.rebuildCaCertsCache()
    manager.rebuildTrustedCaCertsCache()
    try:
        assert bytes(office.toPem()).decode() in network().certificates
    finally:
        manager.removeCertAuthority(office)
        manager.rebuildCaCertsCache()
        manager.rebuildTrustedCaCertsCache()
