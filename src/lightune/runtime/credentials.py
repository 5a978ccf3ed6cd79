"""Credentials in texts and among files: known by their form, and by what the environment says; never kept.

This module must not import torch or Lightning.
"""

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

__all__ = ["credentials_of", "is_credential_file", "without_credentials"]

HIDDEN = "***"
_SHORTEST = 8  # shorter values stand in ordinary text by chance
_NAMES = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|APIKEY|KEY|CREDENTIALS?|PAT|DSN|AUTH)S?(?:_ID)?$"
)
"""Of variables whose values are credentials; not of PWD or SSH_AUTH_SOCK, say."""
_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?P<quote>['\"]?)(.*?)(?P=quote)\s*$", re.MULTILINE)
_FILES = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd",
    ".pgpass", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks",
    "*.keystore", "*.kdbx", "*.ppk", "credentials", "credentials.*", "secret", "secret.*", "secrets", "secrets.*",
    "kubeconfig", "*token*.txt", "*token*.json", "service_account*.json", "service-account*.json",
)  # fmt: skip
_FOLDERS = {".aws", ".ssh", ".kube", ".docker", ".gnupg", ".azure", ".gcloud"}
_CODE = {".py", ".pyi", ".pyx"}
"""A module may be called secrets.py; what it holds is looked through."""
_WITH_PASSWORD = re.compile(r"\b([a-zA-Z][\w+.-]*://[^\s/:@'\"<>{}]*):([^\s/@'\"<>{}]+)@")
_WITH_TOKEN = re.compile(r"\b([a-zA-Z][\w+.-]*://)([^\s/:@'\"<>{}]{16,})@")
_IN_QUERY = re.compile(
    r"([?&](?:password|passwd|pwd|token|access_token|auth_token|api_?key|secret|sig(?:nature)?)=)[^&#\s'\"]+",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|sk-[\w-]{20,}"
    r"|xox[abeprs]-[\w-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}|pypi-[\w-]{20,}|npm_[A-Za-z0-9]{30,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
)
_ASSIGNED = re.compile(
    r"((?:password|passwd|secret|token|api_?key|access_?key|private_?key)\w*\\?[\"']?\s*[:=]\s*\\?[\"'])"
    r"(?=[^\"'\\\s]*\d)(?=[^\"'\\\s]*[A-Za-z])([^\"'\\\s<>\[\]{}]{16,})(?=\\?[\"'])",
    re.IGNORECASE,
)
"""A value in quotes that has letters and digits, and is no `<pad>` and no `{placeholder}`."""
_BEARER = re.compile(r"(\bBearer\s+)(?=\S*\d)[\w.~+/=-]{16,}")
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_OF_A_KEY = re.compile(r"(^[+ -])?[A-Za-z0-9+/=]{16,}", re.MULTILINE)


def credentials_of(folders: Iterable[Path] = (), environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the values that must not be written down, longest first.

    They are those of variables whose names say so, in the environment and in the file `.env` of some folders.

    Args:
        folders: where `.env` may lie.
        environment: name → value.
    """
    found = dict(environment)
    values = {value for name, value in found.items() if _is_named(name, value)}
    for folder in folders:
        with suppress(OSError, UnicodeDecodeError):
            text = (folder / ".env").read_text(encoding="utf-8")
            values |= {value for name, _, value in _LINE.findall(text) if _is_named(name, value)}
    return sorted(values, key=lambda value: (-len(value), value))


def _is_named(name: str, value: str) -> bool:
    return len(value) >= _SHORTEST and _NAMES.search(name.upper()) is not None


def is_credential_file(name: str) -> bool:
    """Tell by its name whether a file is there to hold credentials.

    Args:
        name: path of the file, with slashes.
    """
    path = PurePosixPath(name.lower())
    if _FOLDERS & set(path.parts[:-1]):
        return True
    return path.suffix not in _CODE and any(fnmatch.fnmatchcase(path.name, pattern) for pattern in _FILES)


def without_credentials(text: str, values: Iterable[str] = ()) -> str:
    """Return a text with `***` where a credential stands; it has as many lines as before.

    Args:
        text: any; one without credentials stays as it is.
        values: credentials that are known, as `credentials_of` returns them.
    """
    for form in _forms(values):
        text = text.replace(form, HIDDEN)
    text = _WITH_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    text = _WITH_TOKEN.sub(rf"\1{HIDDEN}@", text)
    text = _IN_QUERY.sub(rf"\1{HIDDEN}", text)
    text = _TOKENS.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    return _PRIVATE_KEY.sub(lambda key: f"{key[1]}{_OF_A_KEY.sub(_after_mark, key[2])}{key[3]}", text)


def _after_mark(line: re.Match[str]) -> str:
    """Return what stands for a line of a key: with the mark that it has in a diff."""
    return f"{line[1] or ''}{HIDDEN}"


def _forms(values: Iterable[str]) -> Iterator[str]:
    """Yield each value as it is, and as JSON and `repr` write it."""
    for value in values:
        yield from dict.fromkeys((value, repr(value)[1:-1], value.replace("\\", "\\\\").replace('"', '\\"')))
