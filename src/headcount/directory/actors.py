"""Who did something, as records keep it in one text: an id and, behind a space, what an issuer outside says of it."""

from typing import Final

import orjson

from headcount.scim.schemas import Json

MOST_SUBJECT: Final = 255
"""Characters of a subject that are kept: as many as one has by OpenID Connect Core §2."""


def actor_text(actor_id: str, issuer: str, subject: str) -> str:
    """The text for whoever shows a token of an issuer outside; without an issuer it is the id alone."""
    if not issuer:
        return actor_id
    subject = subject[:MOST_SUBJECT].encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
    return f"{actor_id} {orjson.dumps({'issuer': issuer, 'subject': subject}).decode()}"


def actor_told(text: str) -> dict[str, Json]:
    """What entries say of a text: `actor` is the id, `actorDetail` the issuer and the subject where there are any."""
    actor_id, _, detail = text.partition(" ")
    return {"actor": actor_id} | ({"actorDetail": orjson.loads(detail)} if detail else {})
