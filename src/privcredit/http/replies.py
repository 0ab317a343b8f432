"""Replies that several nodes give."""

from privcredit.messages.codec import Message


class Acknowledged(Message, frozen=True, kw_only=True):
    """An empty reply: done, and durable."""
