"""Canaille, an OAuth 2.0 and OpenID Connect server, as a process of its own: `python canaille_server.py PORT`.

It has one user, `ada` with the password `lovelace`, and one client, `robot` with the secret `r2d2`, to which the grant
types of the RFCs are open. Access tokens that it gives for a user are signed, as those of most products are.
"""

import sys

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server


def main(port: int) -> None:
    """Serves until the process is ended."""
    key = RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)
    config = {
        "SECRET_KEY": "nothing to hide",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "memory", "LOGGING": {"version": 1}},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key], "REQUIRE_NONCE": False},
    }
    app = create_app(config)
    with app.app_context():
        user = models.User(
            formatted_name="Ada",
            family_name="Lovelace",
            user_name="ada",
            emails=["ada@example.com"],
            password="lovelace",
        )
        Backend.instance.save(user)
        client = models.Client(
            client_id="robot",
            client_secret="r2d2",
            client_name="Robot",
            client_uri="http://127.0.0.1",
            redirect_uris=["http://127.0.0.1/back"],
            grant_types=["password", "client_credentials"],
            response_types=["code"],
            scope=["openid", "profile"],
            token_endpoint_auth_method="client_secret_basic",
        )
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)
    server = make_server("127.0.0.1", port, app, threaded=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
