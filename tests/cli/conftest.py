"""What tests of commands start from."""

import shutil

import pytest

from processes import answer, tenant_with_token


@pytest.fixture(scope="module")
def acme(tmp_path_factory):
    """A folder whose database has the tenant `acme`; a test that changes it changes it back."""
    folder = tmp_path_factory.mktemp("acme")
    answer(folder, "tenant", "create", "acme")
    return folder


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A database with the tenant `acme`, and a token for it."""
    folder = tmp_path_factory.mktemp("original")
    return folder / "headcount.db", tenant_with_token(folder)


@pytest.fixture
def token(original, tmp_path):
    """A token for the tenant `acme`, in a database of the test's own."""
    database, token = original
    shutil.copy2(database, tmp_path)
    return token
