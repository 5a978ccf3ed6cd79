"""The companion tool: `python -m lightune` is `lightune`."""

from lightune.cli.start import tools

if __name__ == "__main__":
    tools()
