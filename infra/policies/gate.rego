# Who must say that this plan may run? Asked once plan.rego has allowed it; a person is needed
# where either of them says so. Scores are the policy service's, computed from registry, log and
# plan, never from what a model says about itself.
#
# Another module may add to `denials`, to `needs_approval`, or to `roles`; it says
# `package smartops.gate`.
package smartops.gate

import data.smartops.common

decision := {
	"allow": allow,
	"requires_approval": requires_approval,
	"denials": [denial | some denial in denials],
	"reasons": [reason | some reason in reasons],
	"quorum": quorum,
	"roles": [role | some role in roles],
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

gate_shape := {
	"task": "string", "tenant": "string", "environment": "string", "type": "string",
	"agent": "string", "agent_version": "string", "agent_runs": "number", "mode": "string",
	"autonomy_level": "number",
	"writes": "number", "irreversible": "boolean", "canary": "boolean", "changed_assets": "number",
	"critical_assets": "number", "total_assets": "number", "risk": "object", "quality": "object",
	"limits": "object", "cooldown_left_ms": "number", "window_blocked": "boolean",
	"tool_modes": "object", "plan_requires_approval": "boolean", "plan_rules": "array",
	"require_two_approvers": "boolean", "approval_requested": "boolean",
}

quality_shape := {
	"total": "number", "structural": "number", "policy": "number", "tests": "number",
	"history": "number", "review": "number",
}

limits_shape := {
	"max_assets": "number", "max_critical_assets": "number", "cooldown_ms": "number",
	"risk_threshold": "number",
}

parts_shape := {
	"environment": "number", "scope": "number", "history": "number", "change_size": "number",
	"timing": "number", "dependencies": "number", "drift": "number", "rollback": "number",
}

malformed contains common.shape_denial("gate.malformed", "", field) if {
	not common.shaped(input, gate_shape)
	some field in common.misshapen(input, gate_shape)
}

malformed contains common.shape_denial("gate.malformed", "/quality", field) if {
	not common.shaped(object.get(input, "quality", {}), quality_shape)
	some field in common.misshapen(object.get(input, "quality", {}), quality_shape)
}

malformed contains common.shape_denial("gate.malformed", "/limits", field) if {
	not common.shaped(object.get(input, "limits", {}), limits_shape)
	some field in common.misshapen(object.get(input, "limits", {}), limits_shape)
}

malformed contains common.shape_denial("gate.malformed", "/risk", "score") if {
	not scored
}

malformed contains common.shape_denial("gate.malformed", "/risk", "level") if {
	not levelled
}

malformed contains common.shape_denial("gate.malformed", "/risk/parts", field) if {
	not common.shaped(object.get(input, ["risk", "parts"], {}), parts_shape)
	some field in common.misshapen(object.get(input, ["risk", "parts"], {}), parts_shape)
}

malformed contains common.shape_denial("gate.malformed", "", "tool_modes") if {
	changes
	count(input.tool_modes) == 0
}

scored if is_number(input.risk.score)

levelled if input.risk.level in data.gate.risk_levels

# Positive on purpose: were a comparison above undefined, silence would not read as consent.
wellformed if {
	count(malformed) == 0
	is_number(input.writes)
	is_number(input.risk.score)
}

denials contains denial if some denial in malformed

# --- Modes --------------------------------------------------------------------------------

changes if not input.writes == 0

# Of the environment and of every tool: each holds, so the strictest does.
modes := {input.mode} | {mode | some mode in input.tool_modes}

denials contains {
	"rule": "gate.mode_unknown", "path": "/mode",
	"message": sprintf("%v is no mode of autonomy", [mode]),
} if {
	some mode in modes
	not mode in data.tools.modes
}

denials contains {
	"rule": "gate.plan_only", "path": "/mode",
	"message": "plans are made here, not carried out",
} if {
	changes
	"plan_only" in modes
}

needs_approval contains {
	"rule": "gate.approval.approve_all",
	"message": "a person decides on every change here",
} if {
	changes
	"approve_all" in modes
}

needs_approval contains {
	"rule": "gate.approval.canary_only",
	"message": "without a canary, changes to more than one asset wait for a person here",
} if {
	changes
	"canary_only" in modes
	not input.canary == true
	not input.changed_assets == 1
}

needs_approval contains {
	"rule": "gate.approval.risk",
	"message": sprintf("risk %v of 100; up to %v go without a person", [
		input.risk.score,
		threshold,
	]),
} if {
	changes
	"risk_based" in modes
	not within_threshold
}

within_threshold if input.risk.score <= threshold

# The stricter one holds: an installation may lower what the bundle allows, not raise it.
threshold := min([data.gate.risk_threshold, input.limits.risk_threshold])

# --- Risk ---------------------------------------------------------------------------------

denials contains {
	"rule": "gate.canary_required", "path": "/canary",
	"message": sprintf(
		"risk %v of 100 is above %v: changes to more than one asset begin with a canary",
		[input.risk.score, data.gate.canary_above],
	),
} if {
	changes
	not input.changed_assets == 1
	not input.canary == true
	not may_do_without_canary
}

may_do_without_canary if input.risk.score <= data.gate.canary_above

# Whatever the mode: full autonomy ends here, too.
needs_approval contains {
	"rule": "gate.approval.risk_level",
	"message": sprintf("the risk is %v", [input.risk.level]),
} if {
	changes
	input.risk.level in data.gate.risk_levels_for_people
}

needs_approval contains {
	"rule": "gate.approval.production",
	"message": "changes in production always need a person",
} if {
	changes
	common.production
}

needs_approval contains {
	"rule": "gate.approval.irreversible",
	"message": "something in it cannot be taken back",
} if {
	changes
	not input.irreversible == false
}

needs_approval contains {
	"rule": "gate.approval.autonomy",
	"message": sprintf("L%v is not trusted to change anything by itself", [input.autonomy_level]),
} if {
	changes
	not trusted
}

trusted if input.autonomy_level >= data.limits.reversible_alone_from_autonomy

needs_approval contains {
	"rule": "gate.approval.tool",
	"message": sprintf("%v always needs a person", [tool]),
} if {
	some tool, _ in input.tool_modes
	common.listed(tool, data.gate.always_approve)
}

# --- Quality ------------------------------------------------------------------------------

# Who is new has no record, which costs half of the score: that is a matter for a person, while a
# record that is there and bad is none. The way back leads through a lower environment.
has_a_record if not input.agent_runs == 0

denials contains {
	"rule": "gate.quality_below_production", "path": "/quality/total",
	"message": sprintf("quality %v of 100; production takes %v and more", [
		input.quality.total,
		data.gate.quality_floor_production,
	]),
} if {
	changes
	common.production
	has_a_record
	not good_enough(data.gate.quality_floor_production)
}

denials contains {
	"rule": "gate.quality_below_staging", "path": "/quality/total",
	"message": sprintf("quality %v of 100; staging takes %v and more", [
		input.quality.total,
		data.gate.quality_floor_staging,
	]),
} if {
	changes
	input.environment == "staging"
	has_a_record
	not good_enough(data.gate.quality_floor_staging)
}

needs_approval contains {
	"rule": "gate.approval.quality",
	"message": sprintf("quality %v of 100; from %v on plans go without a person", [
		input.quality.total,
		data.gate.quality_alone_from,
	]),
} if {
	changes
	not good_enough(data.gate.quality_alone_from)
}

good_enough(points) if input.quality.total >= points

needs_approval contains {
	"rule": "gate.approval.newcomer",
	"message": sprintf("%v %v is new here, and its quality is below what is let in otherwise", [
		input.agent,
		input.agent_version,
	]),
} if {
	changes
	not has_a_record
	below_floor
}

below_floor if {
	common.production
	not good_enough(data.gate.quality_floor_production)
}

below_floor if {
	input.environment == "staging"
	not good_enough(data.gate.quality_floor_staging)
}

# --- Limits -------------------------------------------------------------------------------

needs_approval contains {
	"rule": "gate.approval.max_assets",
	"message": sprintf("%v assets change; up to %v go without a person", [
		input.changed_assets,
		input.limits.max_assets,
	]),
} if {
	changes
	not few_assets
}

few_assets if input.changed_assets <= input.limits.max_assets

needs_approval contains {
	"rule": "gate.approval.max_critical_assets",
	"message": sprintf("%v critical assets change; up to %v go without a person", [
		input.critical_assets,
		input.limits.max_critical_assets,
	]),
} if {
	changes
	not few_critical_assets
}

few_critical_assets if input.critical_assets <= input.limits.max_critical_assets

needs_approval contains {
	"rule": "gate.approval.cooldown",
	"message": sprintf("the last run is %v ms too young", [input.cooldown_left_ms]),
} if {
	changes
	not rested
}

rested if input.cooldown_left_ms <= 0

needs_approval contains {
	"rule": "gate.approval.window",
	"message": "nothing goes by itself at this time",
} if {
	changes
	not input.window_blocked == false
}

# --- How many, and who --------------------------------------------------------------------

default quorum := 1

quorum := 2 if two_people

# For each of them, one of those who agree holds it.
roles contains data.limits.approver_role

roles contains data.limits.senior_role if two_people

two_people if {
	critical
	not input.require_two_approvers == false
}

critical if input.risk.level == "critical"

critical if not few_critical_assets

# --- Others' wishes -----------------------------------------------------------------------

needs_approval contains {
	"rule": "gate.approval.plan",
	"message": "the plan's own rules want a person",
} if {
	not input.plan_requires_approval == false
}

needs_approval contains {
	"rule": "gate.approval.requested",
	"message": "the requester or the agent asks for a person",
} if {
	not input.approval_requested == false
}

# --- Why it may go by itself --------------------------------------------------------------

runs_by_itself contains {
	"rule": "gate.auto.reads_only",
	"message": "the plan only reads",
} if {
	input.writes == 0
}

runs_by_itself contains {
	"rule": "gate.auto.within_limits",
	"message": sprintf("risk %v and quality %v of 100, within what %v lets go", [
		input.risk.score,
		input.quality.total,
		input.mode,
	]),
} if {
	input.writes > 0
	not common.production
	modes & {"plan_only", "approve_all"} == set()
}
