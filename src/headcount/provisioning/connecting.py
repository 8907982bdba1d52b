"""From what a job file says of a SCIM server to a connection, with its secrets."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headcount.provisioning.credentials import Secret
from headcount.provisioning.jobs import TargetSettings
from headcount.provisioning.targets.authentication import (
    Authentication,
    Basic,
    Bearer,
    ClientCredentials,
    SecretHeaders,
)
from headcount.provisioning.targets.client import Connection, Tls
from headcount.provisioning.targets.packs import pack_of
from headcount.provisioning.targets.target import Target

Environment = Mapping[str, str]
_Values = Mapping[str, Any]


def target_of(settings: TargetSettings, environment: Environment) -> Target:
    """The target that a job names, not connected yet; raises CredentialError, TargetError, CapabilityError."""
    connection = connection_of(settings.url, settings.authentication, settings.connection, environment)
    return Target(connection, settings.pack, _override(settings))


def connection_of(url: str, authentication: _Values | None, options: _Values, environment: Environment) -> Connection:
    """A connection with the names of a job file; raises CredentialError."""
    given: dict[str, Any] = {name: options[name] for name in ("headers", "query") if options.get(name)}
    if options.get("proxy"):
        given["proxy"] = options["proxy"].read(environment)
    if options.get("timeout"):
        given["timeout"] = float(options["timeout"])
    if tls := options.get("tls"):
        given["tls"] = Tls(**{name: value for name, value in tls.items() if value is not None})
    return Connection(url, authentication_of(authentication or {}, environment), **given)


def authentication_of(values: _Values, environment: Environment) -> Authentication | None:
    """How requests are authenticated, None for not at all; raises CredentialError."""
    for kind, value in values.items():
        if value is not None:
            return _AUTHENTICATIONS[kind](_resolved(value, environment))
    return None


def _resolved(value: Any, environment: Environment) -> Any:
    if isinstance(value, Secret):
        return value.read(environment)
    if isinstance(value, Mapping):
        return {name: _resolved(item, environment) for name, item in value.items() if item is not None}
    return value


_AUTHENTICATIONS: Final[Mapping[str, Callable[[Any], Authentication]]] = {
    "bearer": Bearer,
    "basic": lambda values: Basic(**values),
    "oauth2": lambda values: ClientCredentials(**values),
    "headers": SecretHeaders,
}


def _override(settings: TargetSettings) -> dict[str, Any]:
    """What a human knows better, limits on requests included."""
    override = dict(settings.capabilities)
    if settings.concurrency is not None:
        override["concurrency"] = settings.concurrency
    if settings.rate is not None:
        own = {"requests": 1, "seconds": 1 / settings.rate}
        known: Any = override.get("budgets") or pack_of(settings.pack).capabilities.get("budgets") or []
        override["budgets"] = [*known, own]
    return override
