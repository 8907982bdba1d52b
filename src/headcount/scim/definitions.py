"""The schemas of RFC 7643 §8.7 as data, with the verified errata folded in.

Where a published definition is corrected, the erratum stands beside it.
"""

from dataclasses import replace
from typing import Final

from headcount.scim import urns
from headcount.scim.schemas import Attribute, Mutability, Returned, Schema, Type, Uniqueness

_RO: Final = Mutability.READ_ONLY
_IM: Final = Mutability.IMMUTABLE


def _boolean(name: str, description: str, *, required: bool = False) -> Attribute:
    return Attribute(name, Type.BOOLEAN, description, required=required)


def _complex(
    name: str, description: str, *subs: Attribute, multi_valued: bool = False, required: bool = False
) -> Attribute:
    return Attribute(name, Type.COMPLEX, description, multi_valued=multi_valued, required=required, sub_attributes=subs)


def _plural(name: str, description: str, value: Attribute, *types: str, extra: tuple[Attribute, ...] = ()) -> Attribute:
    """A multi-valued attribute with the default sub-attributes of RFC 7643 §2.4."""
    return _complex(
        name,
        description,
        value,
        *extra,
        Attribute("display", description="A human-readable name, primarily used for display purposes."),
        Attribute("type", description="A label indicating the attribute's function.", canonical_values=types),
        _boolean("primary", "Whether this is the preferred value; true for at most one."),
        multi_valued=True,
    )


def _value(description: str) -> Attribute:
    return Attribute("value", description=description)


def _read_only(attribute: Attribute) -> Attribute:
    """The attribute and its sub-attributes as readOnly: the discovery schemas are."""
    return replace(attribute, mutability=_RO, sub_attributes=tuple(map(_read_only, attribute.sub_attributes)))


COMMON: Final = (
    Attribute(
        "schemas",
        description="The URIs of the schemas of the resource.",
        multi_valued=True,
        required=True,
        case_exact=False,
        returned=Returned.ALWAYS,
    ),
    Attribute(
        "id",
        description="The identifier that the service provider assigned.",
        required=True,
        case_exact=True,
        mutability=_RO,
        returned=Returned.ALWAYS,
        uniqueness=Uniqueness.SERVER,
    ),
    Attribute("externalId", description="The identifier that the provisioning client uses.", case_exact=True),
    Attribute(
        "meta",
        Type.COMPLEX,
        "Metadata of the resource.",
        mutability=_RO,
        sub_attributes=(
            Attribute("resourceType", description="The name of the resource type.", case_exact=True, mutability=_RO),
            Attribute("created", Type.DATE_TIME, "When the resource was added.", mutability=_RO),
            Attribute("lastModified", Type.DATE_TIME, "When the resource last changed.", mutability=_RO),
            Attribute("location", Type.REFERENCE, "The URI of the resource.", mutability=_RO),
            Attribute(
                "version",
                description="The version of the resource, equal to its ETag.",
                case_exact=True,
                mutability=_RO,
            ),
        ),
    ),
)
"""Common attributes (RFC 7643 §3.1): of every resource, in no schema."""

USER: Final = Schema(
    urns.USER,
    "User",
    "User Account",
    (
        Attribute(
            "userName",
            description="Unique identifier of the user, used to sign in. Not empty, unique among the "
            "users, compared without regard to case.",
            required=True,
            uniqueness=Uniqueness.SERVER,
        ),
        _complex(
            "name",
            "The components of the user's name.",
            Attribute("formatted", description="The full name, formatted for display."),
            Attribute("familyName", description="The family name, or last name."),
            Attribute("givenName", description="The given name, or first name."),
            Attribute("middleName", description="The middle names."),
            Attribute("honorificPrefix", description="The honorific prefix, such as 'Ms.'."),
            Attribute("honorificSuffix", description="The honorific suffix, such as 'III'."),
        ),
        Attribute("displayName", description="The name of the user, suitable for display to end users."),
        Attribute("nickName", description="The casual way to address the user."),
        Attribute("profileUrl", Type.REFERENCE, "The URL of the user's online profile.", reference_types=("external",)),
        Attribute("title", description="The user's title, such as 'Vice President'."),
        Attribute("userType", description="The relationship between the organization and the user."),
        Attribute("preferredLanguage", description="The preferred written or spoken languages, as in Accept-Language."),
        Attribute("locale", description="The default location for currency, dates and numbers, such as 'en-US'."),
        Attribute("timezone", description="The time zone in IANA format, such as 'Europe/Paris'."),
        _boolean("active", "Whether the user may use the service."),
        Attribute(
            "password",
            description="The clear-text password, to set an initial one or to change it. Never returned.",
            mutability=Mutability.WRITE_ONLY,
            returned=Returned.NEVER,
        ),
        _plural("emails", "E-mail addresses.", _value("An e-mail address."), "work", "home", "other"),
        _plural(
            "phoneNumbers",
            "Phone numbers.",
            _value("A phone number, as in RFC 3966."),
            "work",
            "home",
            "mobile",
            "fax",
            "pager",
            "other",
        ),
        # the prose lists `other`, the published JSON does not (RFC 7643 §4.1.2)
        _plural(
            "ims",
            "Instant messaging addresses.",
            _value("An instant messaging address."),
            "aim",
            "gtalk",
            "icq",
            "xmpp",
            "msn",
            "skype",
            "qq",
            "yahoo",
            "other",
        ),
        _plural(
            "photos",
            "URLs of photos.",
            Attribute("value", Type.REFERENCE, "The URL of a photo.", reference_types=("external",)),
            "photo",
            "thumbnail",
        ),
        _complex(
            "addresses",
            "Physical mailing addresses.",
            Attribute("formatted", description="The full address, formatted for display or a label."),
            Attribute("streetAddress", description="Street, house number, post office box."),
            Attribute("locality", description="The city."),
            Attribute("region", description="The state or region."),
            Attribute("postalCode", description="The postal code."),
            Attribute("country", description="The country, as an ISO 3166-1 alpha-2 code."),
            Attribute(
                "type",
                description="A label indicating the attribute's function.",
                canonical_values=("work", "home", "other"),
            ),
            # the RFC's own examples use `primary`, the published JSON lacks it (RFC 7643 §8.2)
            _boolean("primary", "Whether this is the preferred address; true for at most one."),
            multi_valued=True,
        ),
        Attribute(
            "groups",
            Type.COMPLEX,
            "The groups that the user belongs to, directly or through nested groups. "
            "Changed through the Group resources.",
            multi_valued=True,
            mutability=_RO,
            sub_attributes=(
                Attribute("value", description="The id of the group.", case_exact=True, mutability=_RO),
                # User/Group as published, corrected by E8471
                Attribute("$ref", Type.REFERENCE, "The URI of the group.", mutability=_RO, reference_types=("Group",)),
                Attribute("display", description="The name of the group.", mutability=_RO),
                Attribute(
                    "type",
                    description="How the user is a member.",
                    mutability=_RO,
                    canonical_values=("direct", "indirect"),
                ),
            ),
        ),
        _plural("entitlements", "Things that the user has.", _value("The value of an entitlement.")),
        _plural("roles", "Roles that collectively represent who the user is.", _value("The value of a role.")),
        _plural(
            "x509Certificates",
            "Certificates issued to the user.",
            Attribute("value", Type.BINARY, "A DER-encoded X.509 certificate, in base64."),
        ),
    ),
)

GROUP: Final = Schema(
    urns.GROUP,
    "Group",
    "Group",
    (
        # required by E5368
        Attribute("displayName", description="The name of the group.", required=True),
        _complex(
            "members",
            "The members of the group.",
            Attribute("value", description="The id of the member.", case_exact=True, mutability=_IM, required=True),
            Attribute(
                "$ref", Type.REFERENCE, "The URI of the member.", mutability=_IM, reference_types=("User", "Group")
            ),
            Attribute(
                "type",
                description="The resource type of the member.",
                mutability=_IM,
                canonical_values=("User", "Group"),
            ),
            # used by the RFC's examples and by every client, declared by E6011
            Attribute("display", description="The name of the member.", mutability=_RO),
            multi_valued=True,
        ),
    ),
)

ENTERPRISE_USER: Final = Schema(
    urns.ENTERPRISE_USER,
    "EnterpriseUser",
    "Enterprise User",
    (
        Attribute("employeeNumber", description="The identifier that the organization gave to the person."),
        Attribute("costCenter", description="The name of the cost center."),
        Attribute("organization", description="The name of the organization."),
        Attribute("division", description="The name of the division."),
        Attribute("department", description="The name of the department."),
        _complex(
            "manager",
            "The user's manager.",
            # case-exact by E8472
            Attribute("value", description="The id of the manager's User resource.", case_exact=True),
            Attribute("$ref", Type.REFERENCE, "The URI of the manager's User resource.", reference_types=("User",)),
            Attribute("displayName", description="The manager's display name.", mutability=_RO),
        ),
    ),
)

_SUPPORTED: Final = _boolean("supported", "Whether the operation is supported.", required=True)

SERVICE_PROVIDER_CONFIG: Final = Schema(
    urns.SERVICE_PROVIDER_CONFIG,
    "Service Provider Configuration",
    "What the service provider supports",
    tuple(
        map(
            _read_only,
            (
                Attribute(
                    "documentationUri", Type.REFERENCE, "Where the documentation is.", reference_types=("external",)
                ),
                _complex("patch", "PATCH.", _SUPPORTED, required=True),
                _complex(
                    "bulk",
                    "Bulk operations.",
                    _SUPPORTED,
                    Attribute("maxOperations", Type.INTEGER, "The most operations in a request.", required=True),
                    Attribute("maxPayloadSize", Type.INTEGER, "The largest request, in bytes.", required=True),
                    required=True,
                ),
                _complex(
                    "filter",
                    "Filters.",
                    _SUPPORTED,
                    Attribute("maxResults", Type.INTEGER, "The most resources in a response.", required=True),
                    required=True,
                ),
                _complex("changePassword", "Changing passwords.", _SUPPORTED, required=True),
                _complex("sort", "Sorting.", _SUPPORTED, required=True),
                # required by the prose of RFC 7643 §5, missing from the published JSON
                _complex("etag", "Entity tags.", _SUPPORTED, required=True),
                # RFC 9865 §4
                _complex(
                    "pagination",
                    "Pagination.",
                    _boolean("cursor", "Whether cursor pagination is supported.", required=True),
                    _boolean("index", "Whether index pagination is supported.", required=True),
                    Attribute(
                        "defaultPaginationMethod",
                        description="What a request without parameters gets.",
                        canonical_values=("cursor", "index"),
                    ),
                    Attribute("defaultPageSize", Type.INTEGER, "The page size when no count is given."),
                    Attribute("maxPageSize", Type.INTEGER, "The largest page."),
                    Attribute("cursorTimeout", Type.INTEGER, "How long a cursor is valid at least, in seconds."),
                ),
                _complex(
                    "authenticationSchemes",
                    "How clients authenticate.",
                    # E8011
                    Attribute(
                        "type",
                        description="The authentication scheme.",
                        required=True,
                        canonical_values=("oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"),
                    ),
                    Attribute("name", description="The common name of the scheme.", required=True),
                    Attribute("description", description="What the scheme is.", required=True),
                    Attribute(
                        "specUri", Type.REFERENCE, "The specification of the scheme.", reference_types=("external",)
                    ),
                    Attribute(
                        "documentationUri", Type.REFERENCE, "How to use the scheme.", reference_types=("external",)
                    ),
                    _boolean("primary", "Whether this is the preferred scheme."),
                    multi_valued=True,
                    required=True,
                ),
            ),
        )
    ),
)

RESOURCE_TYPE: Final = Schema(
    urns.RESOURCE_TYPE,
    "Resource Type",
    "A type of resource and where it is found",
    tuple(
        map(
            _read_only,
            (
                Attribute("id", description="The identifier of the resource type, equal to its name."),
                # case-exact and unique by E8475
                Attribute(
                    "name",
                    description="The name of the resource type.",
                    required=True,
                    case_exact=True,
                    uniqueness=Uniqueness.SERVER,
                ),
                Attribute("description", description="What the resource type is."),
                Attribute(
                    "endpoint",
                    Type.REFERENCE,
                    "The endpoint, relative to the base URL.",
                    required=True,
                    reference_types=("uri",),
                    uniqueness=Uniqueness.SERVER,
                ),
                Attribute(
                    "schema", Type.REFERENCE, "The URI of the base schema.", required=True, reference_types=("uri",)
                ),
                # multi-valued by E7522, optional by the prose of RFC 7643 §6
                _complex(
                    "schemaExtensions",
                    "The extensions of the base schema.",
                    Attribute(
                        "schema", Type.REFERENCE, "The URI of the extension.", required=True, reference_types=("uri",)
                    ),
                    _boolean("required", "Whether every resource carries the extension.", required=True),
                    multi_valued=True,
                ),
            ),
        )
    ),
)

_CHARACTERISTICS: Final = (
    Attribute("name", description="The name of the attribute.", required=True, case_exact=True),
    Attribute("type", description="The data type.", required=True, canonical_values=tuple(Type)),
    _boolean("multiValued", "Whether the attribute has several values.", required=True),
    Attribute("description", description="What the attribute is.", case_exact=True),
    _boolean("required", "Whether the attribute always has a value."),
    Attribute("canonicalValues", description="Suggested values.", multi_valued=True, case_exact=True),
    _boolean("caseExact", "Whether the value is compared with regard to case."),
    Attribute(
        "mutability",
        description="Who may change the value, and when.",
        case_exact=True,
        canonical_values=tuple(Mutability),
    ),
    Attribute("returned", description="When the value is returned.", case_exact=True, canonical_values=tuple(Returned)),
    Attribute(
        "uniqueness",
        description="Within which bounds the value is unique.",
        case_exact=True,
        canonical_values=tuple(Uniqueness),
    ),
    # multi-valued by E5607
    Attribute("referenceTypes", description="What a reference may refer to.", multi_valued=True, case_exact=True),
)

SCHEMA: Final = Schema(
    urns.SCHEMA,
    "Schema",
    "A set of attribute definitions",
    tuple(
        map(
            _read_only,
            (
                Attribute("id", description="The URI of the schema.", required=True, returned=Returned.ALWAYS),
                Attribute("name", description="The name of the schema."),
                Attribute("description", description="What the schema is for."),
                _complex(
                    "attributes",
                    "The attributes of the schema.",
                    *_CHARACTERISTICS,
                    # the one place where a sub-attribute is complex (RFC 7643 §7, E8415)
                    _complex(
                        "subAttributes",
                        "The sub-attributes of a complex attribute.",
                        *(
                            replace(
                                attribute, canonical_values=tuple(kind for kind in Type if kind is not Type.COMPLEX)
                            )
                            if attribute.name == "type"
                            else attribute
                            for attribute in _CHARACTERISTICS
                        ),
                        multi_valued=True,
                    ),
                    multi_valued=True,
                    required=True,
                ),
            ),
        )
    ),
)

DISCOVERY: Final = (SERVICE_PROVIDER_CONFIG, RESOURCE_TYPE, SCHEMA)
"""The schemas of the discovery endpoints themselves (RFC 7643 §8.7.2)."""
