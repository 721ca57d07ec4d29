# Runbooks: steps that somebody spelled out. What they need on top of other plans; a person, and a
# condition to turn back, they need in production as every plan does.
package smartops.sop_safety

import data.smartops.common
import data.smartops.planned

in_production if {
	common.production
	planned.changes
	input.type in data.sop.types
}

denials contains {
	"rule": "sop_safety.rollback_missing", "path": sprintf("%v/reversible", [path]),
	"message": sprintf("%v could be taken back, but the runbook does not say how", [step.tool]),
} if {
	in_production
	some step in planned.kinds
	step.category == "reversible"
	not step.reversible == true
	some path in planned.paths(step)
}

denials contains {
	"rule": "sop_safety.success_criteria_missing", "path": "/phases",
	"message": "the runbook ends without a check that tells whether it did what it is for",
} if {
	in_production
	phase := input.phases[max(planned.write_phases)]
	phase.health_checks < 1
}

denials contains {
	"rule": "sop_safety.timeout_missing", "path": "/max_run_ms",
	"message": sprintf("a runbook ends after at most %v ms", [data.sop.max_run_ms]),
} if {
	in_production
	not bounded
}

bounded if {
	is_number(input.max_run_ms)
	input.max_run_ms <= data.sop.max_run_ms
}

denials contains {
	"rule": "sop_safety.batch_too_large", "path": sprintf("/phases/%v/assets", [i]),
	"message": sprintf("phase %v changes %v of %v assets; at most %v%% go together", [
		phase.name,
		assets,
		input.total_assets,
		data.sop.batch_max_percent,
	]),
} if {
	in_production
	some i in planned.write_phases
	phase := input.phases[i]
	assets := count({asset | some asset in phase.assets})
	assets > 1
	assets * 100 > input.total_assets * data.sop.batch_max_percent
}

# In every environment and plan: the name of the plan makes a failover no safer.
needs_approval contains {
	"rule": "sop_safety.approval.dangerous_action",
	"message": sprintf("%v goes only with a person's word", [concat(", ", dangerous)]),
} if {
	count(dangerous) > 0
}

dangerous := {step.tool |
	some step in planned.writes
	common.listed(step.tool, data.tools.dangerous)
}
