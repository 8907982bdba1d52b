"""What the documents point to exists."""

import re

import pytest

from docs.pages import DOCS, REFERENCE, ROOT, anchors, link_targets, pages

PUBLIC_HOSTS = {
    "canaille.readthedocs.io",
    *("www.rfc-editor.org", "semver.org", "diataxis.fr"),
    *("sts.windows.net", "token.actions.githubusercontent.com"),
    *("docs.aws.amazon.com", "docs.cloud.google.com", "docs.github.com", "docs.slack.dev"),
}
EXAMPLE_HOST = re.compile(r"(127\.0\.0\.1|localhost|([\w-]+\.)*example(\.com|\.org|\.net)?)(:\d+)?")


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_every_relative_link_resolves(path):
    broken = []
    for target in link_targets(path.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        if not linked.exists() or (fragment and fragment not in anchors(linked.read_text("utf-8"))):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_every_file_of_the_repository_that_is_named_exists(path):
    named = set(re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", path.read_text("utf-8")))

    assert sorted(file for file in named if not (ROOT / file).exists()) == []


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_hosts_are_public_or_examples(path):
    hosts = set(re.findall(r"https?://([\w.:-]+)", path.read_text("utf-8")))

    assert sorted(host for host in hosts - PUBLIC_HOSTS if not EXAMPLE_HOST.fullmatch(host)) == []


def test_the_index_leads_to_every_page():
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in link_targets((DOCS / "README.md").read_text())}

    assert sorted(name_of(page) for page in set(DOCS.rglob("*.md")) - linked - {DOCS / "README.md"}) == []


def test_every_row_of_the_conformance_page_names_a_test():
    rows = [line for line in (REFERENCE / "conformance.md").read_text().splitlines() if line.startswith("| RFC ")]

    assert rows
    assert [row for row in rows if not re.search(r"`tests/[\w./-]+`", row)] == []
