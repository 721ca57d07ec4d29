# May this plan run, and does a person have to approve it first?
#
# Another module may add to `denials` (a plan is refused) or to `needs_approval`; it says
# `package smartops.plan` and contributes members of its own.
package smartops.plan

import data.smartops.common

decision := {
	"allow": allow,
	"requires_approval": requires_approval,
	"denials": [denial | some denial in denials],
	"reasons": [reason | some reason in reasons],
}

default allow := false

allow if {
	wellformed
	count(denials) == 0
	count(reasons) > 0
}

# A plan waits for a person unless a rule below says that it may go by itself.
default requires_approval := true

requires_approval := false if {
	allow
	count(needs_approval) == 0
	count(runs_by_itself) > 0
}

reasons := needs_approval if count(needs_approval) > 0

else := runs_by_itself

# --- The document -------------------------------------------------------------------------

plan_shape := {
	"task": "string", "tenant": "string", "environment": "string", "agent": "string",
	"requester": "string", "autonomy_level": "number", "total_assets": "number",
	"approval_requested": "boolean", "phases": "array", "steps": "array",
}

phase_shape := {
	"name": "string", "assets": "array", "steps": "number", "writes": "number",
	"health_checks": "number", "rollback_if": "string", "wait_ms": "number", "watch_ms": "number",
}

malformed contains common.shape_denial("plan.malformed", "", field) if {
	some field in common.misshapen(input, plan_shape)
}

malformed contains common.shape_denial("plan.malformed", sprintf("/phases/%v", [i]), field) if {
	some i, phase in input.phases
	some field in common.misshapen(phase, phase_shape)
}

# Of a step only tool and phase are checked: whatever else the rules read of it falls on the
# strict side when it is missing. (They are many, and each check of each step costs a microsecond.)
malformed contains common.shape_denial("plan.malformed", sprintf("/steps/%v", [i]), "tool") if {
	some i, step in input.steps
	not is_string(step.tool)
}

malformed contains common.shape_denial("plan.malformed", sprintf("/steps/%v", [i]), "phase") if {
	some i, step in input.steps
	not input.phases[step.phase]
}

malformed contains {
	"rule": "plan.malformed", "path": "/phases",
	"message": "a plan needs at least one phase and one step",
} if {
	some list in ["phases", "steps"]
	count(input[list]) == 0
}

malformed contains {
	"rule": "plan.malformed", "path": sprintf("/phases/%v/assets", [i]),
	"message": sprintf("phase %v touches no asset", [phase.name]),
} if {
	some i, phase in input.phases
	count(phase.assets) == 0
}

malformed contains {
	"rule": "plan.malformed", "path": "/total_assets",
	"message": sprintf("%v assets in scope, but the plan touches %v", [input.total_assets, touched]),
} if {
	touched := count({asset | some phase in input.phases; some asset in phase.assets})
	input.total_assets < touched
}

# Positive on purpose: were a comparison above undefined, silence would not read as consent.
wellformed if {
	count(malformed) == 0
	is_array(input.steps)
	limits_present
}

# A threshold that is missing from the data would silence its rule.
limits_present if {
	every name in [
		"highest_autonomy", "writes_from_autonomy", "reversible_alone_from_autonomy",
		"phase_max_percent", "canary_max_percent", "canary_max_assets", "canary_min_watch_ms",
	] {
		is_number(data.limits[name])
	}
}

denials contains denial if some denial in malformed

# --- What the plan does -------------------------------------------------------------------

# Both sources count: a caller that miscounts one of them cannot hide a write.
write_phases := {step.phase | some step in input.steps; not step.category == "read"} |
	{i | some i, phase in input.phases; phase.writes > 0}

changed_assets := {asset | some i in write_phases; some asset in input.phases[i].assets}

# Only the registry's `reversible`, together with a way back in the plan, counts as reversible.
irreversible_tools := {step.tool |
	some step in input.steps
	not step.category == "read"
	not reversible(step)
}

reversible(step) if {
	step.category == "reversible"
	step.reversible == true
}

is_canary(phase) if lower(phase.name) == "canary"

# --- Tools and autonomy -------------------------------------------------------------------

denials contains {
	"rule": "plan.tool_unregistered", "path": sprintf("/steps/%v/tool", [i]),
	"message": sprintf("%v is not registered, or has changed since the plan was made", [step.tool]),
} if {
	some i, step in input.steps
	not step.registered == true
}

denials contains {
	"rule": "plan.tool_category_unknown", "path": sprintf("/steps/%v/category", [i]),
	"message": sprintf("%v has no known category", [step.tool]),
} if {
	some i, step in input.steps
	step.registered == true
	not step.category in data.limits.tool_categories
}

denials contains {
	"rule": "plan.observe_only", "path": "/autonomy_level",
	"message": sprintf("L%v only observes; this plan writes", [input.autonomy_level]),
} if {
	count(write_phases) > 0
	input.autonomy_level < data.limits.writes_from_autonomy
}

denials contains {
	"rule": "plan.autonomy_not_enabled", "path": "/autonomy_level",
	"message": sprintf("L%v is switched off", [input.autonomy_level]),
} if {
	input.autonomy_level > data.limits.highest_autonomy
}

# --- Changes in production ----------------------------------------------------------------

denials contains {
	"rule": "plan.canary_missing", "path": sprintf("/phases/%v/name", [first]),
	"message": "changes to more than one asset in production begin with a phase named canary",
} if {
	common.production
	count(changed_assets) > 1
	first := min(write_phases)
	not is_canary(input.phases[first])
}

denials contains {
	"rule": "plan.canary_too_large", "path": sprintf("/phases/%v/assets", [i]),
	"message": sprintf(
		"the canary has %v of %v assets; more than %v%% and more than %v is no canary",
		[assets, input.total_assets, data.limits.canary_max_percent, data.limits.canary_max_assets],
	),
} if {
	common.production
	some i in write_phases
	is_canary(input.phases[i])
	assets := count({asset | some asset in input.phases[i].assets})
	assets > data.limits.canary_max_assets
	assets * 100 > input.total_assets * data.limits.canary_max_percent
}

denials contains {
	"rule": "plan.canary_unwatched", "path": sprintf("/phases/%v/wait_ms", [i]),
	"message": sprintf(
		"the canary is watched for %v ms; at least %v are needed before the next phase",
		[watched, data.limits.canary_min_watch_ms],
	),
} if {
	common.production
	count(changed_assets) > 1
	some i in write_phases
	phase := input.phases[i]
	is_canary(phase)
	watched := phase.wait_ms + phase.watch_ms
	watched < data.limits.canary_min_watch_ms
}

# One asset at a time is always possible, however small the fleet.
denials contains {
	"rule": "plan.phase_too_large", "path": sprintf("/phases/%v/assets", [i]),
	"message": sprintf(
		"phase %v changes %v of %v assets; at most %v%% go together",
		[phase.name, assets, input.total_assets, data.limits.phase_max_percent],
	),
} if {
	common.production
	some i in write_phases
	phase := input.phases[i]
	assets := count({asset | some asset in phase.assets})
	assets > 1
	assets * 100 > input.total_assets * data.limits.phase_max_percent
}

denials contains {
	"rule": "plan.rollback_missing", "path": sprintf("/phases/%v/rollback_if", [i]),
	"message": sprintf("phase %v does not say when it is rolled back", [phase.name]),
} if {
	common.production
	some i in write_phases
	phase := input.phases[i]
	trim_space(phase.rollback_if) == ""
}

denials contains {
	"rule": "plan.health_check_missing", "path": sprintf("/phases/%v/health_checks", [i]),
	"message": sprintf("phase %v has no health check", [phase.name]),
} if {
	common.production
	some i in write_phases
	phase := input.phases[i]
	phase.health_checks < 1
}

# --- Who has to look ----------------------------------------------------------------------

needs_approval contains {
	"rule": "plan.approval.requested",
	"message": "the requester or the agent asks for a person",
} if {
	input.approval_requested == true
}

needs_approval contains {
	"rule": "plan.approval.suggest_only",
	"message": sprintf("L%v suggests; a person decides on every write", [input.autonomy_level]),
} if {
	count(write_phases) > 0
	input.autonomy_level < data.limits.reversible_alone_from_autonomy
}

needs_approval contains {
	"rule": "plan.approval.production_write",
	"message": "writes in production always need a person",
} if {
	count(write_phases) > 0
	common.production
}

needs_approval contains {
	"rule": "plan.approval.irreversible",
	"message": sprintf("%v cannot be taken back", [concat(", ", irreversible_tools)]),
} if {
	count(irreversible_tools) > 0
}

runs_by_itself contains {
	"rule": "plan.auto.reads_only",
	"message": "the plan only reads",
} if {
	count(write_phases) == 0
}

runs_by_itself contains {
	"rule": "plan.auto.reversible_outside_production",
	"message": sprintf("reversible, outside production, and the agent has L%v", [input.autonomy_level]),
} if {
	count(write_phases) > 0
	not common.production
	input.autonomy_level >= data.limits.reversible_alone_from_autonomy
	count(irreversible_tools) == 0
}
