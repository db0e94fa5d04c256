"""The API process: `tripwire api`, or `python -m api.server`."""

import uvicorn

from api.app import create_app
from infra import telemetry
from infra.config import load_settings

# Requests that are under way at SIGTERM get this long; none takes more but one that waits for the signer.
GRACE_S = 10


def main() -> None:
    settings = load_settings()
    telemetry.set_up("api", settings)
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="on",
    )


if __name__ == "__main__":
    main()
