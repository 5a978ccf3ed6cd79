"""The search: a named, stored study of many trials, over any of Hydra's launchers and in any Hydra application.

    space → driver → workers → driver → files

`current_trial()` is what a task may ask for while it runs as a trial. Importing this package imports neither
Optuna nor torch; the modules that need them are imported when a study starts.
"""

from lightune.trial import PrunedError, Trial, current_trial

__all__ = ["PrunedError", "Trial", "current_trial"]
