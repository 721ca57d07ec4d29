# rego: v0
package ql.safety

# Require canary phase for production deployments
deny[msg] {
    input.environment == "production"
    not has_canary_phase
    msg := "Production changes require a canary phase"
}

# Limit batch size in production
deny[msg] {
    input.environment == "production"
    some phase
    phase := input.phases[_]
    count(phase.assets) / input.total_assets > 0.2
    msg := sprintf("Batch size %d%% exceeds 20%% limit", [count(phase.assets) / input.total_assets * 100])
}

has_canary_phase {
    input.phases[0].name == "Canary"
}
