"""Counting over a rolling window, and when a rule is passed: pure."""

import pytest

from headcount.directory.guard.counts import (
    Part,
    counts_of,
    seconds_until_free,
    text_of,
    total,
    with_less,
    with_more,
    within,
)
from headcount.directory.guard.rules import Removal, Rule, rules_of

WINDOW = 1_000


@pytest.mark.parametrize(
    ("rule", "count", "whole", "passed"),
    [
        (Rule(Removal.DELETE, number=5), 5, 10, False),
        (Rule(Removal.DELETE, number=5), 6, 10, True),
        (Rule(Removal.DELETE, number=0), 1, 1, True),
        (Rule(Removal.DELETE, share=0.5), 5, 10, False),
        (Rule(Removal.DELETE, share=0.5), 6, 10, True),
        (Rule(Removal.DELETE, share=0), 1, 10, True),
        (Rule(Removal.DELETE, share=1), 10, 10, False),
        (Rule(Removal.DELETE, number=5, share=0.5), 6, 20, False),
        (Rule(Removal.DELETE, number=5, share=0.5), 5, 6, False),
        (Rule(Removal.DELETE, number=5, share=0.5), 6, 11, True),
        (Rule(Removal.DELETE), 1_000, 1_000, False),
    ],
)
def test_a_rule_is_passed_by_more_than_it_says(rule, count, whole, passed):
    assert rule.is_passed(count, whole) is passed


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (86_400, "7 deletions within a day, more than 5"),
        (172_800, "7 deletions within 2 days, more than 5"),
        (3_600, "7 deletions within an hour, more than 5"),
        (120, "7 deletions within 2 minutes, more than 5"),
        (90, "7 deletions within 90 seconds, more than 5"),
    ],
)
def test_a_rule_says_what_was_passed(window, words):
    assert Rule(Removal.DELETE, number=5, window=window).words(7, 100) == words


def test_a_rule_has_a_day_and_warns_unless_it_says_otherwise():
    assert rules_of([{"kind": "leave", "share": 0.1}]) == (Rule(Removal.LEAVE, share=0.1),)


def test_removals_leave_the_window_after_its_length():
    counts = with_more((), 3, WINDOW, 0.0)
    counts = with_more(counts, 4, WINDOW, 500.0)
    assert [total(within(counts, WINDOW, clock)) for clock in (999.9, 1_000.0, 1_499.9, 1_500.0)] == [7, 4, 4, 0]


def test_a_part_stays_until_its_last_removal_is_beyond_the_window():
    """What is counted together is counted too long rather than too short."""
    counts = with_more(with_more((), 1, WINDOW, 0.0), 1, WINDOW, 9.9)
    assert counts == (Part(0.0, 9.9, 2),)
    assert total(within(counts, WINDOW, 1_009.8)) == 2
    assert total(within(counts, WINDOW, 1_009.9)) == 0


def test_however_many_are_counted_the_parts_are_few():
    counts = ()
    for clock in range(20_000):
        counts = with_more(within(counts, WINDOW, clock), 1, WINDOW, float(clock))
    assert len(counts) <= 101
    assert WINDOW <= total(counts) <= WINDOW * 1.01


@pytest.mark.parametrize(("number", "left"), [(0, 5), (1, 4), (2, 3), (3, 2), (5, 0), (9, 0)])
def test_what_was_not_done_is_taken_back_from_the_latest(number, left):
    counts = (Part(0.0, 0.0, 3), Part(50.0, 50.0, 2))
    assert total(with_less(counts, number)) == left
    assert all(part.number > 0 for part in with_less(counts, number))


def test_the_wait_is_until_the_first_are_beyond_the_window():
    counts = (Part(0.0, 5.0, 3), Part(50.0, 50.0, 2))
    assert seconds_until_free(counts, WINDOW, 100.5) == 905
    assert seconds_until_free(counts, WINDOW, 1_004.9) == 1
    assert seconds_until_free((), WINDOW, 0.0) == WINDOW


def test_counts_are_kept_as_text():
    counts = (Part(0.25, 5.5, 3), Part(50.0, 50.0, 2))
    assert counts_of(text_of(counts)) == counts
