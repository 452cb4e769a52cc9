"""The command ``pyg-video``."""
