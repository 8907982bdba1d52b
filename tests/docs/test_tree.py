"""The repository speaks of the product: no machine's paths, no private hosts."""

import re

from docs.pages import ROOT

LEFT_OUT = {
    ".git",
    ".venv",
    ".torture",
    ".outside",
    "__pycache__",
    ".hypothesis",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    "dist",
    "build",
}
MACHINE_PATH = re.compile(r"(?<![\w.:}/])/(?:home|root|work|mnt|Volumes)/\w")
# ranges and addresses are examples of what is private; with a port, it is somebody's server
PRIVATE_HOST = re.compile(
    r"\b(?:10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2}):\d{2,5}\b"
    r"|https?://[\w.-]+\.(?:internal|corp|lan|intranet|local)\b"
)


def lines_that_match(pattern):
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if (
            LEFT_OUT.isdisjoint(parts)
            and path.is_file()
            and path.suffix in {".py", ".md", ".toml", ".json", ".sql", ""}
        ):
            lines = enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
            found += [f"{'/'.join(parts)}:{number}" for number, line in lines if pattern.search(line)]
    return found


def test_no_file_names_a_path_of_somebodys_machine():
    assert lines_that_match(MACHINE_PATH) == []


def test_no_file_names_a_private_host():
    assert lines_that_match(PRIVATE_HOST) == []
