"""Made-up secrets of every kind, joined here so that no scanner takes this file for a leak."""

from __future__ import annotations

__all__ = ["SAMPLES"]

_MIXED = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
_HEX = "0123456789abcdef" * 4
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 2

SAMPLES: dict[str, str] = {
    "aws_access_key": "AKIA" + "IOSFODNN7EXAMPLE",
    "github_token": "ghp_" + _MIXED[:36],
    "github_token (fine-grained)": "github_pat_" + _MIXED[:22] + "_" + _MIXED,
    "github_token (oauth)": "gho_" + _MIXED[:36],
    "gitlab_token": "glpat-" + _MIXED[:20],
    "slack_token": "xoxb-" + "123456789012-" + _MIXED[:24],
    "slack_webhook": "https://hooks.slack.com/services/" + "T00000000/B00000000/" + _MIXED[:24],
    "anthropic_key": "sk-ant-" + "api03-" + _MIXED,
    "openai_key": "sk-" + _MIXED,
    "openai_key (project)": "sk-proj-" + _MIXED,
    "google_api_key": "AIza" + _MIXED[:35],
    "google_oauth": "ya29." + _MIXED,
    "stripe_key": "sk_live_" + _MIXED[:24],
    "stripe_key (restricted)": "rk_live_" + _MIXED[:24],
    "webhook_secret": "whsec_" + _MIXED[:32],
    "square_token": "sq0" + "atp-" + _MIXED[:22],
    "sendgrid_key": "SG." + _MIXED[:22] + "." + _MIXED,
    "mailgun_key": "key-" + _HEX[:32],
    "twilio_key": "SK" + _HEX[:32],
    "telegram_token": "123456789:" + "AA" + _MIXED[:33],
    "npm_token": "npm_" + _MIXED[:36],
    "pypi_token": "pypi-" + "AgEIcHlwaS5vcmc" + _MIXED,
    "docker_token": "dckr_" + "pat_" + _MIXED[:27],
    "vault_token": "hvs." + _MIXED[:24],
    "terraform_token": _MIXED[:14] + ".atlasv1." + _MIXED + _MIXED[:20],
    "digitalocean_token": "dop_v1_" + _HEX,
    "databricks_token": "dapi" + _HEX[:32],
    "grafana_token": "glsa_" + _MIXED[:32] + "_" + _HEX[:8],
    "huggingface_token": "hf_" + _MIXED[:34],
    "atlassian_token": "ATATT3" + "xFfGF0" + _MIXED,
    "shopify_token": "shpat_" + _HEX[:32],
    "postman_key": "PMAK-" + _HEX[:24] + "-" + _HEX[:34],
    "new_relic_key": "NRAK-" + _BASE32[:27],
    "linear_key": "lin_api_" + _MIXED,
    "age_key": "AGE-SECRET-KEY-1" + _BASE32[:58],
    "nats_seed": "SU" + _BASE32[:56],
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9" + "." + "eyJ" + "zdWIiOiIxIn0" + "." + _MIXED,
    "private_key": "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIE\n-----END RSA PRIVATE" + " KEY-----",
    "private_key (cut off)": "-----BEGIN OPENSSH PRIVATE" + " KEY-----\\nb3BlbnNzaC1rZXk",
    "url_password": "postgres://app:" + "hunter2@db.internal:5432/app",
    "url_password (no user)": "redis://:" + "hunter2@cache:6379",
    "azure_key": "AccountName=acme;AccountKey=" + _MIXED + "==;EndpointSuffix=core",
    "azure_signature": "https://acme.blob.core/x?sv=2022&sig=" + _MIXED + "%3D",
    "authorization": "Authorization: Basic " + "dXNlcjpwYXNzd29yZA==",
    "authorization (quoted)": '"authorization": "Bearer ' + _MIXED + '"',
    "bearer": "curl -H bearer " + _MIXED,
    "password (assigned)": "DB_PASSWORD=" + "hunter2",
    "password (json)": '{"password": "' + 'hun\\"ter2"}',
    "password (json in json)": r"{\"password\": \"" + r"hunter2\"}",
    "password (python)": "{'password': '" + "hunter2'}",
    "password (yaml)": "db:\n  password: " + "hunter22\n  port: 5432",
    "password (option)": "mysql --password " + "hunter2 -u app",
    "api_key (query)": "https://acme.example/?q=1&api_key=" + "abcd1234",
}
"""Kind (with a remark) to a text that holds one secret of it, or is one."""
