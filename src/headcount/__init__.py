"""Headcount: a multi-tenant SCIM 2.0 service provider."""

from importlib.metadata import version

__version__ = version("headcount")
