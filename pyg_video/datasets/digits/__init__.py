"""Synchronous digits, generated on the fly."""
