"""Where a run comes from: the revision of the user's folder, versions, the machine."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("hachimachi", "torch", "lightning", "numpy", "hydra-core", "omegaconf", "tensorboard")
"""What the weights, or how they are told of, depend on."""
PATIENCE = 5.0
"""Seconds that git may take."""


def find_versions() -> dict[str, str]:
    """Return the versions of the packages that a run depends on, and of Python; packages that are not here left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def find_platform() -> str:
    """Return the system and the processor, as in ``Linux-6.1-x86_64``."""
    return f"{platform.system()}-{platform.release()}-{platform.machine()}"


def find_revision(folder: Path) -> dict[str, Any] | None:
    """Return the git commit that a folder is at, and whether files that git knows have changed since.

    ``None`` where there is no git, no repository or no commit: that is no reason not to train.
    """
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "dirty": bool(_ask_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _ask_git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
