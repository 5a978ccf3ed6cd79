"""One Hydra job: the task that trains a configuration, the folder it writes to, what the preflight hands over.

Nothing here knows of studies; the modules do not import torch or Lightning at their top.
"""
