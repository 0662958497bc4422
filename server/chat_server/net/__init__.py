"""Sockets, loops and outboxes: bytes and frames, no messages."""
