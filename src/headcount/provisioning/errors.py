"""What a user of the engine is told when something cannot be done. Needs no extra: a command line can catch it."""


class JobError(Exception):
    """A sync job cannot be read, planned or carried out; the message says why, and what to do."""
