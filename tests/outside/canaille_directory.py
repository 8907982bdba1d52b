"""Canaille with its SCIM service, as a process of its own: `python canaille_directory.py TOKEN`.

It keeps people and groups in an SQLite file in the working directory, and announces the port that it listens on.
"""

import socket
import sys
from datetime import UTC, datetime

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server


def main(token):
    """Serves until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        app = application(port, token)
        server = make_server("127.0.0.1", port, app, threaded=True, fd=listener.fileno())
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        server.serve_forever()


def application(port, token):
    """Canaille, in whose directory a client with the token may do everything."""
    key = RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)
    config = {
        "SECRET_KEY": "nothing to hide",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "sql", "LOGGING": {"version": 1}},
        "CANAILLE_SQL": {"DATABASE_URI": "sqlite:///directory.db", "AUTO_MIGRATE": True},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key]},
        "CANAILLE_SCIM": {"ENABLE_SERVER": True},
    }
    app = create_app(config)
    with app.app_context():
        client = models.Client(client_id="robot", client_name="Robot", client_uri="http://127.0.0.1")
        Backend.instance.save(client)
        issued = models.Token(
            token_id="robot",
            access_token=token,
            client=client,
            scope=["profile"],
            type="access_token",
            issue_date=datetime.now(UTC),
            lifetime=86_400,
        )
        Backend.instance.save(issued)
    return app


if __name__ == "__main__":
    main(sys.argv[1])
