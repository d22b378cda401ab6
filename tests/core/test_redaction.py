"""Passwords and keys are taken out of what is shown, kept and passed on, however they are spelled."""

from __future__ import annotations

import time

import pytest

from false_core import events
from false_core.errors import InputError
from false_core.redaction import HIDDEN, without_secrets

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "dbname='gis' host=db user='bob' password='hunter2' table=\"t\"",
        "PG:host=db password=hunter2",
        "password='it''s hunter2' table='t'",
        "/vsicurl?url=https://host/a.tif&header=Authorization%3A%20Bearer%20hunter2",
        "AZURE_SAS=hunter2",
        "https://host/a?sas=hunter2",
        "https://host/a?token[]=hunter2",
        "//u:hunter2@host/share",
        "contraseña=hunter2",
        "mot_de_passe=hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "PASSWORD = 'it\\'s hunter2' x",
        'password="a b hunter2"',
        "password='hunter2",
        "Passwort=hunter2",
        "PGPASSWORD=hunter2",
        "password: hunter2",
        "password=\nhunter2",
        "Pwd={a;hunter2};x",
        "SERVER=x;UID=a;PWD=hunter2",
        "MYSQL:db,user=root,password=hunter2,port=1",
        "GDAL_HTTP_USERPWD=user:hunter2",
        '{"token": "hunter2"}',
        "{'password': 'hunter2'}",
        '{"password":"a\\"hunter2"}',
        '{\\"token\\": \\"hunter2\\"}',
        "<Password>hunter2</Password>",
        "<Service password='hunter2'/>",
        "password=&quot;a hunter2&quot; c",
        "password%3Dhunter2",
        "password&#61;hunter2",
        "password&#x3D;hunter2",
        "token%3Dhunter2%26x",
        "--token hunter2",
        "--password 'a hunter2' --x",
        "--api-key=hunter2",
        "AWS_ACCESS_KEY_ID=hunter2",
        "client_secret=hunter2",
        "subscription-key=hunter2",
        "X-Api-Key: hunter2",
        "Authorization: Bearer hunter2",
        "Authorization: Basic hunter2",
        "header.Authorization=Bearer%20hunter2&url=x",
        "AccountKey=hunter2==;x",
        "Cookie: a=b; session=hunter2",
        'Proxy-Authorization: Digest username="u", realm="x", response="hunter2"',
        "Ocp-Apim-Subscription-Key: hunter2",
        '{"passwords": ["a", "hunter2"]}',
        "{'password': ['a', 'hunter2'], 'b': 1}",
        "the server refused Bearer hunter2",
        "SharedAccessSignature=sv=hunter2",
        "https://maps/x?key=hunter2",
        "https://h/x?access_key=hunter2",
        "https://h/x?sp=r&sig=hunter2",
        "https://h/x?X-Amz-Credential=hunter2&X-Amz-Signature=hunter2",
        "https://bob:hunter2@h/x",
        "https://bob:pa/hunter2@h/x",
        "https://u:p@hunter2@h/x",
        "https://hunter2@h/x",
        "mongodb://u:p%40hunter2@h",
        "OCI:scott/hunter2@db",
        "georaster:scott/hunter2,db",
        "scott/hunter2@orcl",
        "ODBC:me/hunter2@dsn",
        "sqlplus scott/hunter2@//host:1521/sales",
        "scott/hunter2@db.example.com/sales",
        "SDE:host,5151,db,user,hunter2",
        "-p hunter2",
        "-P 'a hunter2'",
        "-p=hunter2",
        "mysql -u me -p hunter2 db",
        "mysqldump -phunter2 db",
        "curl -u me:hunter2 https://h/x",
        "curl --user me:hunter2 https://h/x",
        "pass phrase: hunter2",
        "Pass-Phrase = hunter2",
        "pass word: hunter2",
        "Access Key: hunter2",
        "API key: hunter2",
        "hasło: hunter2",
        "пароль: hunter2",
        "密码:hunter2",
    ],
)
def test_a_secret_is_hidden_everywhere(text: str) -> None:
    assert HIDDEN in without_secrets(text)
    told = (
        without_secrets(text),
        str(InputError(f"The raster {text} cannot be opened.")),
        str(InputError("x" * 1990 + text + "y" * 2000)),
        events.encode(events.Message(events.INFO, text)),
        events.encode(events.Failed("It failed.", "", "bug", f"Traceback\n{text}")),
    )
    for shown in told:
        assert SECRET not in shown


@pytest.mark.parametrize(
    "secret", ["AKIAIOSFODNN7EXAMPLE", "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFM", "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln"]
)
def test_what_looks_like_a_key_is_hidden_too(secret: str) -> None:
    assert without_secrets(f"got {secret} from it") == f"got {HIDDEN} from it"


@pytest.mark.parametrize(
    "text",
    [
        "https://download.example.org/torch",
        "https://h:8080/x.tif",
        "me@example.org wrote",
        "designation=7, passes=3, bypass=4, monkey=4, keyboard=1",
        "The key is given twice.",
        "The password is missing.",
        "The job has no parameter key.",
        "author: me, authority: EPSG, [EPSG:32633]",
        "C:\\data\\x.tif|layername=l",
        "key would overwrite an input: /x/key.csv, named as map.",
        "Starting with the launcher: srun -p gpu --ntasks 2",
        "mkdir -p folder",
        "/data/site/plot@latest.tif is missing",
        "site/plot@latest.tif|layername=x, tiles/3@2x.png, a 2/3@x",
        "s3://bucket/key@v1.tif",
        "pass 1: reading, pass 2 of 3: done",
        "the bearer of the label",
        "curl -H 'Accept: a, b' https://example.org",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.thorough
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.a-",
        "password=",
        "https://",
        'password="',
        "\\\\'",
        "<password ",
        "x://a:",
        "--key ",
        "<a<",
        "password={",
        "-p x ",
        "mysql ",
        "mysql -p",
        "a/",
        "a/b@",
        "SDE:,",
        "-u a:",
        "pass ",
        "password=[",
        "cookie:",
        'cookie:="',
        "bearer a",
    ],
)
def test_looking_takes_a_moment_whatever_the_text_is(piece: str) -> None:
    began = time.monotonic()
    without_secrets(piece * (200_000 // len(piece)))
    assert time.monotonic() - began < 10
