"""What is to be said of access tokens besides the resources that they are, below `/manage`: state, use and reach."""

from dataclasses import dataclass
from typing import Final

from headcount.directory.managed import TOKEN_REPORT
from headcount.directory.token_report import TokenReport
from headcount.directory.tokens import AccessTokens
from headcount.http.manage import Asked, Route
from headcount.scim.errors import NotFoundError
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation


@dataclass(frozen=True, slots=True)
class ManagedTokens:
    """Answers what `TOKEN_ROUTES` calls."""

    tokens: AccessTokens
    report: TokenReport

    async def list(self, asked: Asked) -> Json:
        """The tokens of a tenant."""
        return {"tokens": await self.tokens.list(asked.tenant)}

    async def explain(self, asked: Asked) -> Json:
        """What a token may do."""
        token = asked.path["token"]
        report = await self.report.explain(token, asked.query.get("resource"))
        if report["tenant"] != asked.tenant:
            raise NotFoundError(f"There is no resource '{token}'.")
        return report


_TOKENS: Final = "/tenants/{tenant}/tokens"

TOKEN_ROUTES: Final = (
    Route(
        "GET",
        _TOKENS,
        TOKEN_REPORT,
        Operation.READ,
        "List the access tokens of a tenant (_operator for the operator's own): state, last use, days that are left.",
        ManagedTokens.list,
    ),
    Route(
        "GET",
        f"{_TOKENS}/{{token}}",
        TOKEN_REPORT,
        Operation.READ,
        "Explain what an access token may do, and whether it reaches a resource.",
        ManagedTokens.explain,
        query={"resource": "Users/{id}, or another path of a resource."},
    ),
)
"""What can be called."""
