"""`headcount worker`: deliveries without serving requests."""

import asyncio
import signal
from contextlib import suppress

from headcount.assembly import Installation, delivery
from headcount.cli.output import AsJson, Database, show
from headcount.cli.running import with_settings
from headcount.cli.serve import LogFormat
from headcount.events.notifier import Notifier
from headcount.http.logs import configure_logs
from headcount.settings import Settings


def worker(log_format: LogFormat = None, database: Database = None, as_json: AsJson = False) -> None:
    """Deliver webhooks, beside servers or instead of them; any number of workers share the work.

    'headcount serve' delivers as well. Ctrl-C or SIGTERM stops it, once what is under way is delivered.

    Example: headcount worker --database postgresql://db.internal/headcount
    """
    settings = Settings.from_environment(database=database, log_format=log_format)
    configure_logs(settings.log_format, settings.log_level)
    with suppress(KeyboardInterrupt):
        with_settings(settings, lambda installation: _work(installation, as_json=as_json))


async def _work(installation: Installation, *, as_json: bool) -> None:
    working = asyncio.ensure_future(delivery(installation, Notifier()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    show({"worker": "ready"}, as_json=as_json, sentence="Delivering webhooks; Ctrl-C stops.")
    with suppress(asyncio.CancelledError):
        await working
