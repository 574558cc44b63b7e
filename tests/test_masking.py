from __future__ import annotations

import pytest

from rnnforecast.errors import OutputError
from rnnforecast.findings import JSONValue
from rnnforecast.masking import holds_secret, masked, masked_values

CANARY = "canary-7f3"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://user:{CANARY}@host/db",
        f"postgresql://user:{CANARY}/@x@host/db#t",
        f"postgresql://:{CANARY}@host/db",
        f"host=db user=u password={CANARY} port=5",
        f"select * from dblink('dbname=x password={CANARY}', 'select 1')",
        f"PASSWORD = '{CANARY} with '' a quote'",
        f'password="{CANARY}"',
        f"postgresql://user@host/db?sslmode=x&password={CANARY}&a=b",
        f"PGPASSWORD={CANARY} rnnforecast predict",
    ],
)
def test_a_password_is_masked_wherever_it_stands_in_a_text(text: str) -> None:
    assert CANARY not in masked(text)
    assert "***" in masked(text)
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        f"AWS_SECRET_ACCESS_KEY={CANARY}",
        f"`API_KEY={CANARY}` holds text",
        f"GITHUB_TOKEN={CANARY} x",
        f"token={CANARY}&x=1",
        f"notify --api-key {CANARY} --urgent",
        f"curl -H 'Authorization: Bearer {CANARY}'",
        f"https://{CANARY}@host/rows.csv",
        f"`https://host/rows.csv?X-Signature={CANARY}` cannot be read",
    ],
)
def test_other_secrets_are_masked_but_are_not_error_of_a_query(text: str) -> None:
    assert CANARY not in masked(text)
    assert not holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user@host/db#t",
        "time 10:30 a@b",
        "s3://bucket/a.csv",
        "a: b@c",
        "KEY = 5",
        "keys=2",
        "rows?.csv",
        "postgresql://u@h/d?host=/run",
        "",
    ],
)
def test_a_text_without_a_password_stays_as_it_is(text: str) -> None:
    assert masked(text) == text
    assert not holds_secret(text)


def test_no_error_says_a_password_whoever_words_it() -> None:
    error = OutputError(f"postgresql://u:{CANARY}@h/d broke", hint=f"look at postgresql://u:{CANARY}@h/d")
    assert CANARY not in str(error) + repr(error) + str(error.args)


def test_secrets_in_json_values_are_masked() -> None:
    value: JSONValue = {"job": "a", "data": ["a.csv", f"https://u:{CANARY}@h/x.csv"], "rows": 3}
    assert masked_values(value) == {"job": "a", "data": ["a.csv", "https://u:***@h/x.csv"], "rows": 3}
