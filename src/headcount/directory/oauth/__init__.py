"""Signatures by public keys, and where these are: what needs the extra `oauth`."""
