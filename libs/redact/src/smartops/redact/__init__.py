"""temp"""
class SecretInArgument(Exception):
    path=""
def refuse_secrets(v): return None
def redact(v): return v
def resolve(v, lookup): return v
