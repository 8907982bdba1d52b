"""scim2-server from PyPI at its best: its ASGI application over memory, under the same uvicorn."""

import sys

import uvicorn
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.utils import load_default_provider

if __name__ == "__main__":
    uvicorn.run(
        ASGIApplication(AsyncInMemoryStorage(), load_default_provider()),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        lifespan="off",
    )
