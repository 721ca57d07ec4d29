"""What secrets look like in text: about forty kinds, each with a literal to look for first.

Every expression is linear in the text. Python's engine backtracks, so that takes care:

- an unbounded run is possessive (`++`), so a failed match is not tried again in shorter forms;
- nothing obligatory follows an unbounded run, unless a match cannot begin within such a run: then
  each run is walked once, not once per position.

The secret is the group `secret` if there is one, else the whole match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["PATTERNS", "Pattern"]


@dataclass(frozen=True)
class Pattern:
    """One kind of secret."""

    kind: str
    anchors: tuple[str, ...]
    """One of these stands in every match (in lower case, if `folded`): the cheap first look."""
    expression: re.Pattern[str]
    folded: bool = False
    named: bool = False
    """The group `name` is a key; it is a secret only if `keys.secret_kind` says so of that."""


def _p(kind: str, anchors: str, expression: str) -> Pattern:
    return Pattern(kind, tuple(anchors.split()), re.compile(expression))


def _i(kind: str, anchors: str, expression: str) -> Pattern:
    return Pattern(kind, tuple(anchors.split()), re.compile(expression, re.IGNORECASE), folded=True)


def _n(anchors: str, expression: str) -> Pattern:
    return Pattern("assignment", tuple(anchors.split()), re.compile(expression), named=True)


_NAME = r"(?<![\w.-])(?P<name>[\w.-]++)"
_OPERATOR = r"\s{0,4}[:=]\s{0,4}"

PATTERNS: tuple[Pattern, ...] = (
    # Blocks and credentials in structures.
    _p(
        "private_key",
        "PRIVATE",
        r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----"
        r"(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    _p("url_password", "://", r"://[^\s/?#:@]*+:(?P<secret>[^\s/?#]+)@"),
    _i(
        "slack_webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{8,}+)",
    ),
    _i(
        "azure_key",
        "accountkey= sharedaccesskey= sharedsecretissuer=",
        r"(?:AccountKey|SharedAccessKey|SharedSecretIssuer)=(?P<secret>[A-Za-z0-9+/=]{16,}+)",
    ),
    _i("azure_signature", "sig=", r"[?&;]sig=(?P<secret>[A-Za-z0-9%+/=_-]{20,}+)"),
    _i(
        "authorization",
        "authorization",
        r"authorization[\"'\\]{0,2}\s{0,4}[:=]\s{0,4}[\"'\\]{0,2}(?:[a-z]{3,12}\s{1,4})?"
        r"(?=\S{0,200}?[0-9+/=_])(?P<secret>[^\s\"',\\\[]{8,}+)",
    ),
    _i("bearer", "bearer", r"\bbearer\s{1,4}(?=[^\s]{0,200}?[0-9])(?P<secret>[\w.~+/=-]{12,}+)"),
    # Tokens that their issuer marked.
    # Not possessive at its beginning: CPython before 3.11.5 then misses every match of a group that
    # begins by looking ahead. Shorter forms of that run fail at once: `eyJ` does not follow them.
    _p("jwt", "eyJ", r"(?<![\w-])(?:(?!eyJ)[\w-])*eyJ[\w-]{8,}+\.[\w-]{8,}+\.[\w-]*+"),
    _p("aws_access_key", "AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    _p("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{20,}+"),
    _p("github_token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,}+"),
    _p("gitlab_token", "gl", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|ffct)-[\w-]{20,}+"),
    _p("slack_token", "xox xapp-", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}+"),
    _p("anthropic_key", "sk-ant-", r"sk-ant-[\w-]{16,}+"),
    _p("openai_key", "sk-", r"(?<![A-Za-z0-9])sk-[\w-]{20,}+"),
    _p("google_api_key", "AIza", r"AIza[\w-]{30,}+"),
    _p("google_oauth", "ya29. GOCSPX-", r"(?:ya29\.|GOCSPX-)[\w-]{20,}+"),
    _p("stripe_key", "k_live_ k_test_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}+"),
    _p("webhook_secret", "whsec_", r"whsec_[A-Za-z0-9+/=_-]{16,}+"),
    _p("square_token", "sq0", r"sq0[a-z]{3}-[\w-]{20,}+"),
    _p("sendgrid_key", "SG.", r"SG\.[\w-]{16,}+\.[\w-]{16,}+"),
    _p("mailgun_key", "key-", r"(?<![A-Za-z0-9])key-[0-9a-f]{32}"),
    _p("twilio_key", "SK", r"(?<![A-Za-z0-9])SK[0-9a-f]{32}"),
    _p("telegram_token", ":AA", r"(?<![0-9])[0-9]{8,10}:AA[\w-]{32,}+"),
    _p("npm_token", "npm_", r"npm_[A-Za-z0-9]{30,}+"),
    _p("pypi_token", "pypi-", r"pypi-Ag[\w-]{30,}+"),
    _p("docker_token", "dckr_", r"dckr_(?:pat|oat)_[\w-]{20,}+"),
    _p("vault_token", "hv", r"(?<![A-Za-z0-9])hv[sbr]\.[\w-]{20,}+"),
    _p("terraform_token", ".atlasv1.", r"[A-Za-z0-9]{10,20}\.atlasv1\.[\w-]{40,}+"),
    _p("digitalocean_token", "do", r"do[opr]_v1_[a-f0-9]{40,}+"),
    _p("databricks_token", "dapi", r"dapi[a-f0-9]{32}"),
    _p("grafana_token", "glsa_ glc_", r"(?:glsa|glc)_[A-Za-z0-9+/=_-]{30,}+"),
    _p("huggingface_token", "hf_", r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}+"),
    _p("atlassian_token", "ATATT3 ATCTT3", r"AT[AC]TT3[\w=+/-]{30,}+"),
    _p("shopify_token", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _p("postman_key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _p("new_relic_key", "NRAK-", r"NRAK-[A-Z0-9]{27}"),
    _p("linear_key", "lin_api_", r"lin_api_[A-Za-z0-9]{32,}+"),
    _p("age_key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}+"),
    _p("nats_seed", "SA SU SC SO SN SX", r"(?<![A-Z0-9])S[AUCONX][A-Z2-7]{56}(?![A-Z0-9])"),
    # Names with values, as configuration, command lines and logs write them.
    _n("=", _NAME + r"[\"']?=(?P<secret>[^\s\"'&;,\\]{4,}+)"),
    _n('"', _NAME + r"\"?" + _OPERATOR + r"\"(?P<secret>(?:[^\"\\]|\\.)++)"),
    _n("'", _NAME + r"'?" + _OPERATOR + r"'(?P<secret>(?:[^'\\]|\\.)++)"),
    _n('\\"', _NAME + r"(?:\\\")?" + _OPERATOR + r"\\\"(?P<secret>[^\"\\]++)"),
    _n("--", r"(?<![\w-])--(?P<name>[\w-]++)\s{1,4}(?P<secret>[^\s\"'-]\S{3,}+)"),
    _n(
        ":",
        r"(?m:^)[ \t-]{0,40}+(?P<name>[\w.-]++)[ \t]{0,4}:[ \t]{1,8}"
        r"(?P<secret>[^\s\"'#{}()<>|&*!][^\s#]{7,}+)[ \t\r]{0,8}(?m:$)",
    ),
)
