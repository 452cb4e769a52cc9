"""The command ``pyg-video``: one module per command, and the demo."""
