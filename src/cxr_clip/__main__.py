"""`python -m cxr_clip` is the command `cxr-clip`."""

from cxr_clip.cli import main

main()
