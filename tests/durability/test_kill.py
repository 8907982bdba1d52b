"""Every write that was acknowledged is there after `kill -9`, and nothing that depends on it disagrees."""

from torture.agreement import check_agreement
from torture.deployments import Installation, kill, new_tenant, serving
from torture.load import Load


def test_every_acknowledged_write_survives_kill_9(tmp_path):
    """Load: four clients without pause on one SQLite file. Lost: nothing."""
    database = f"sqlite:///{tmp_path / 'headcount.db'}"
    installation = Installation(database, new_tenant(database))
    with serving(tmp_path, installation) as (running, client), Load(client, writers=4) as load:
        load.goes_on(400)
        kill(running.process.pid)
    check_agreement(database)
    with serving(tmp_path, installation) as (_, client):
        assert load.check(client) > 0
