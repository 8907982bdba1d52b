"""The commands that manage webhooks, and the proof of a lock-out, for people and as JSON."""

import pytest

from events.deliveries import worker
from headcount.scim.registry import USER
from headcount.testing.store_contract.examples import create, replacement
from processes import answer, eventually, refusal, run
from receiver import running_receiver
from torture.deployments import administer


@pytest.fixture
def folder(tmp_path):
    """A folder whose default database has the tenant `acme`."""
    answer(tmp_path, "tenant", "create", "acme")
    return tmp_path


def test_a_subscription_from_its_making_to_its_end(folder):
    with running_receiver(folder / "receiver") as receiver:
        made = answer(
            folder, "webhook", "create", receiver.url, "--tenant", "acme", "--event", "user.*", "--name", "app"
        )
        assert made["secret"].startswith("whsec_")
        listed = answer(folder, "webhook", "list", "--tenant", "acme")
        assert [(item["id"], item["url"], item["events"]) for item in listed] == [
            (made["id"], receiver.url, ["user.*"])
        ]
        assert "secret" not in listed[0]
        assert made["id"] in run(folder, "webhook", "list").stdout
        assert receiver.url in run(folder, "webhook", "show", made["id"]).stdout
        assert answer(folder, "webhook", "deliveries", made["id"]) == []
        sent = answer(folder, "webhook", "test", made["id"])["webhookId"]
        settings = {
            "HEADCOUNT_DATABASE": f"sqlite:///{folder / 'headcount.db'}",
            "HEADCOUNT_PRIVATE_NETWORKS": "127.0.0.0/8",
        }
        with worker(folder, settings):
            attempts = eventually(lambda: answer(folder, "webhook", "deliveries", made["id"]))
        assert [(item["webhookId"], item["status"], item["attempt"]) for item in attempts] == [(sent, 200, 1)]
        assert [event["type"] for event in receiver.events] == ["webhook.test"]
    new = answer(folder, "webhook", "rotate", made["id"])["secret"]
    assert new.startswith("whsec_")
    assert new != made["secret"]
    assert answer(folder, "webhook", "deliveries", made["id"], "--parked") == []
    assert answer(folder, "webhook", "redeliver", made["id"]) == {"queued": 0}
    answer(folder, "webhook", "delete", made["id"])
    assert answer(folder, "webhook", "list") == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["webhook", "create", "nothing", "--tenant", "acme"], "endpoint"),
        (["webhook", "create", "https://app.example.com", "--tenant", "nobody"], "nobody"),
        (["webhook", "create", "https://app.example.com", "--tenant", "acme", "--filter", "nonsense eq 1"], "nonsense"),
        (["webhook", "create", "https://app.example.com", "--tenant", "acme", "--event", "user.made"], "user.made"),
        (["webhook", "create", "https://app.example.com", "--tenant", "_operator"], "/scim/events"),
        (["webhook", "list", "--tenant", "nobody"], "nobody"),
        (["webhook", "show", "nothing"], "nothing"),
        (["webhook", "rotate", "nothing"], "nothing"),
        (["webhook", "redeliver", "nothing", "--until", "5"], "--after"),
        (["lockouts", "show", "ada", "--tenant", "acme"], "ada"),
        (["lockouts", "show", "ada", "--tenant", "nobody"], "nobody"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(folder, arguments, word):
    code, line = refusal(run(folder, *arguments))
    assert code != 0
    assert word in line


def test_a_lock_out_is_shown_by_name_and_by_id(folder):
    made = answer(folder, "webhook", "create", "https://app.example.com/hooks", "--tenant", "acme")

    async def lock_out(installation):
        store = installation.store.for_tenant("acme")
        ada = create(USER, "ada")
        await store.write_many([ada, replacement(USER, ada, {"userName": "ada", "active": False})])

    administer(f"sqlite:///{folder / 'headcount.db'}", lock_out)
    shown = answer(folder, "lockouts", "show", "ada", "--tenant", "acme")
    assert (shown["user"], shown["event"], shown["version"]) == ("ada", "user.deactivated", 2)
    assert [(told["subscription"], told["acknowledged"]) for told in shown["subscriptions"]] == [(made["id"], None)]
    printed = run(folder, "lockouts", "show", "ADA", "--tenant", "acme").stdout
    assert "https://app.example.com/hooks  NOT YET" in printed
