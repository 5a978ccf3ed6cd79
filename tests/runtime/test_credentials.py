"""Credentials are found in texts and among files; ordinary code stays as it is."""

import pytest

from lightune.runtime.credentials import credentials_of, is_credential_file, without_credentials

HEX = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql://me:pass@host/db", "postgresql://me:***@host/db"),
        (f"https://{HEX}@example.org/a.git", "https://***@example.org/a.git"),
        ("https://example.org/?a=1&token=abc&b=2", "https://example.org/?a=1&token=***&b=2"),
        ("ghp_" + "a1" * 18, "***"),
        ("x = 'hf_" + "Ab1" * 10 + "'", "x = '***'"),
        ("AKIA" + "ABCD1234" * 2, "***"),
        (f'api_key = "{HEX}"', 'api_key = "***"'),
        (f"'password': '{HEX}'", "'password': '***'"),
        (f'  "api_key = \\"{HEX}\\"\\n",', '  "api_key = \\"***\\"\\n",'),
        (f"Authorization: Bearer {HEX}", "Authorization: Bearer ***"),
        (
            f"+-----BEGIN RSA PRIVATE KEY-----\n+{HEX}\n+-----END RSA PRIVATE KEY-----\n",
            "+-----BEGIN RSA PRIVATE KEY-----\n+***\n+-----END RSA PRIVATE KEY-----\n",
        ),
    ],
)
def test_credentials_are_known_by_their_form(text, kept):
    assert without_credentials(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "pad_token = '<padding>'",
        "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased-v1')",
        "mask_token='[MASK]'",
        "ssh://git@example.org/a",
        "https://example.org/a?page=2",
        "password = os.environ['MY_PASSWORD']",
        f"commit {HEX}",
        "key = 'optimizer.lr'",
        "sqlite:///a.db",
    ],
)
def test_ordinary_text_stays_as_it_is(text):
    assert without_credentials(text) == text


def test_values_are_known_by_the_names_of_their_variables(tmp_path):
    environment = {
        "WANDB_API_KEY": "value-of-the-key", "PWD": "/home/somebody", "SSH_AUTH_SOCK": "/run/agent/1234",
        "MY_TOKEN": "short", "PATH": "/usr/bin:/bin", "github_token": "in-small-letters",
    }  # fmt: skip
    (tmp_path / ".env").write_text(
        "export DB_PASSWORD='two words'\nDATA_ROOT=/data/somewhere\nMY_SECRET=plain-one\n"
    )
    found = credentials_of([tmp_path, tmp_path / "nowhere"], environment)
    assert found == ["in-small-letters", "value-of-the-key", "plain-one", "two words"]


def test_known_values_are_found_as_they_are_and_in_quotes():
    assert without_credentials('a"b\\c-secret', ['a"b\\c-secret']) == "***"
    assert without_credentials('{"x": "a\\"b\\\\c-secret"}', ['a"b\\c-secret']) == '{"x": "***"}'


@pytest.mark.parametrize(
    "name",
    [".env", "deep/.env.local", "id_rsa", "a/server.pem", "secrets.yaml", ".aws/config", "credentials.json"],
)
def test_files_of_credentials_are_known_by_their_names(name):
    assert is_credential_file(name)


@pytest.mark.parametrize("name", ["secrets.py", "environment.yaml", "tokens.py", "key.py", "conf/model/net.yaml"])
def test_other_files_are_not(name):
    assert not is_credential_file(name)
