"""Production refuses to start with a missing or insecure secret, and says which one."""

import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

GOOD = {
    "REKINDLE_ENV": "production",
    "SECRET_KEY": "k3J9-fA8sPq7_Zx2mVb5Lw0Rt6Yc1Nd4Gh8Ue3Io7Ka2Sj5Xq9",
    "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "SUPPRESSION_HASH_KEY": "q8W2e5R7t9Y1u3I6o4P0a8S2d5F7g9H1",
    "ALLOWED_HOSTS": "rekindle.example",
    "PUBLIC_URL": "https://rekindle.example",
    "DATABASE_URL": "postgresql://rekindle@db.example/rekindle?sslmode=require",
    "REDIS_URL": "redis://redis.example/0",
}


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in {**GOOD, **changes}.items() if value}
    code = (
        "from django.conf import settings; settings.DEBUG; print('started', settings.DATABASES['default']['OPTIONS'])"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_starts_with_good_secrets_and_reads_the_database_url_as_libpq_does():
    done = start()
    assert done.returncode == 0, done.stderr
    assert "started {'sslmode': 'require'}" in done.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 80),
        ("FIELD_ENCRYPTION_KEYS", ""),
        ("FIELD_ENCRYPTION_KEYS", "not-a-key"),
        ("FIELD_ENCRYPTION_KEYS", "ZGV2ZWxvcG1lbnQtb25seS1mZXJuZXQta2V5LTAwMDA="),
        ("SUPPRESSION_HASH_KEY", ""),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "*"),
        ("PUBLIC_URL", ""),
        ("DATABASE_URL", ""),
        ("REDIS_URL", ""),
        ("DEBUG", "true"),
        ("REKINDLE_ENV", "prod"),
    ],
)
def test_it_refuses_to_start_and_names_the_setting(name, value):
    done = start(**{name: value})
    assert done.returncode != 0
    assert "ImproperlyConfigured" in done.stderr
    assert name in done.stderr.splitlines()[-1]
