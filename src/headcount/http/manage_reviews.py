"""What waits for an operator, below `/manage`: held changes, likenesses, groups to be put back."""

from dataclasses import dataclass
from typing import Final

from headcount.directory.guard.reviewing import Reviewing
from headcount.directory.managed import REVIEW
from headcount.http.manage import Asked, Route
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation


@dataclass(frozen=True, slots=True)
class ManagedReviews:
    """Answers what `REVIEW_ROUTES` calls."""

    reviewing: Reviewing

    async def held(self, asked: Asked) -> Json:
        """Held changes."""
        return {"held": await self.reviewing.held(asked.tenant)}

    async def warnings(self, asked: Asked) -> Json:
        """What passed a rule that only warns."""
        return {"warnings": await self.reviewing.warnings(asked.tenant)}

    async def release(self, asked: Asked) -> Json:
        """Carries out a held change."""
        force = isinstance(asked.body, dict) and asked.body.get("force") is True
        return await self.reviewing.release(asked.tenant, asked.text("id"), force=force, actor=asked.actor)

    async def reject(self, asked: Asked) -> Json:
        """Drops a held change."""
        return await self.reviewing.reject(asked.tenant, asked.text("id"), actor=asked.actor)

    async def reviews(self, asked: Asked) -> Json:
        """Likenesses."""
        return {"reviews": await self.reviewing.reviews(asked.tenant)}

    async def link(self, asked: Asked) -> Json:
        """Says that it is one person."""
        return await self.reviewing.link(asked.tenant, asked.text("id"), actor=asked.actor)

    async def dismiss(self, asked: Asked) -> None:
        """Says that they are two."""
        await self.reviewing.dismiss(asked.tenant, asked.text("id"))

    async def restore(self, asked: Asked) -> Json:
        """Puts a group's members back."""
        group, before = asked.path["group"], asked.text("before")
        return await self.reviewing.restore_members(asked.tenant, group, before, actor=asked.actor)


_TENANT: Final = "/tenants/{tenant}"
_ID: Final = "An object with 'id', from the list."

REVIEW_ROUTES: Final = (
    Route(
        "GET",
        f"{_TENANT}/held",
        REVIEW,
        Operation.READ,
        "List the changes that the guard holds back.",
        ManagedReviews.held,
    ),
    Route(
        "GET",
        f"{_TENANT}/warnings",
        REVIEW,
        Operation.READ,
        "List what the guard has warned of.",
        ManagedReviews.warnings,
    ),
    Route(
        "POST",
        f"{_TENANT}/held/release",
        REVIEW,
        Operation.UPDATE,
        "Carry out a held change; 409 when its resource was changed since.",
        ManagedReviews.release,
        body="An object with 'id', from the list, and 'force', true to carry it out all the same.",
    ),
    Route(
        "POST",
        f"{_TENANT}/held/reject",
        REVIEW,
        Operation.UPDATE,
        "Drop a held change.",
        ManagedReviews.reject,
        body=_ID,
    ),
    Route(
        "GET",
        f"{_TENANT}/reviews",
        REVIEW,
        Operation.READ,
        "List people who could be the same, as both sides describe them.",
        ManagedReviews.reviews,
    ),
    Route(
        "POST",
        f"{_TENANT}/reviews/link",
        REVIEW,
        Operation.UPDATE,
        "Say that it is one person: the connection may change them from now on.",
        ManagedReviews.link,
        body=_ID,
    ),
    Route(
        "POST",
        f"{_TENANT}/reviews/dismiss",
        REVIEW,
        Operation.UPDATE,
        "Say that they are two people.",
        ManagedReviews.dismiss,
        body=_ID,
        status=204,
    ),
    Route(
        "POST",
        f"{_TENANT}/groups/{{group}}/restore",
        REVIEW,
        Operation.UPDATE,
        "Give a group the members that it had at an instant.",
        ManagedReviews.restore,
        body="An object with 'before', an instant in UTC: 2026-01-31T08:30:00Z.",
    ),
)
