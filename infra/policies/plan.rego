# May this plan run, and does a person have to approve it first?
#
# What is asked of every plan stands here; what is asked of some stands in the modules that are
# collected below. Another module may add to `denials` (a plan is refused) or to `needs_approval`;
# it says `package smartops.plan` and contributes members of its own.
package smartops.plan

import data.smartops.common
import data.smartops.image_safety
import data.smartops.plan_safety
import data.smartops.planned
import data.smartops.production_safety
import data.smartops.sop_safety
import data.smartops.terraform_safety
import data.smartops.tool_authorization

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
	"approval_requested": "boolean", "phases": "array", "steps": "array", "type": "string",
	"summary": "string", "mode": "string", "maintenance": "boolean", "evidence": "array",
	"requester_roles": "array", "token_budget_exhausted": "boolean",
}

phase_shape := {
	"name": "string", "assets": "array", "steps": "number", "writes": "number",
	"health_checks": "number", "rollback_if": "string", "wait_ms": "number", "watch_ms": "number",
}

# The fields are named only when something is amiss: naming costs more than looking.
malformed contains common.shape_denial("plan.malformed", "", field) if {
	not common.shaped(input, plan_shape)
	some field in common.misshapen(input, plan_shape)
}

malformed contains common.shape_denial("plan.malformed", sprintf("/phases/%v", [i]), field) if {
	some i, phase in input.phases
	not common.shaped(phase, phase_shape)
	some field in common.misshapen(phase, phase_shape)
}

# Of a step only tool and phase are checked: whatever else the rules read of it falls on the
# strict side when it is missing.
malformed contains common.shape_denial("plan.malformed", path, "tool") if {
	some step in planned.kinds
	not has_tool(step)
	some path in planned.paths(step)
}

has_tool(step) if is_string(step.tool)

malformed contains common.shape_denial("plan.malformed", path, "phase") if {
	some step in planned.kinds
	not has_phase(step)
	some path in planned.paths(step)
}

has_phase(step) if input.phases[step.phase]

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
	"message": sprintf("%v assets in scope, but the plan changes %v", [input.total_assets, changed]),
} if {
	# What it only looks at makes no fleet larger, nor its share of one smaller.
	changed := count({step.target | some step in input.steps; step.category != "read"})
	input.total_assets < changed
}

# Positive on purpose: were a comparison above undefined, silence would not read as consent.
wellformed if {
	count(malformed) == 0
	is_array(input.steps)
}

denials contains denial if some denial in malformed

# --- The modules --------------------------------------------------------------------------

denials contains denial if some denial in production_safety.denials

denials contains denial if some denial in plan_safety.denials

denials contains denial if some denial in tool_authorization.denials

denials contains denial if some denial in sop_safety.denials

# Asked of `planned`: naming any rule of a module has this engine evaluate all of them.
denials contains denial if {
	count(planned.making_images) > 0
	some denial in image_safety.denials
}

denials contains denial if {
	count(planned.applying_terraform) > 0
	some denial in terraform_safety.denials
}

needs_approval contains reason if some reason in tool_authorization.needs_approval

needs_approval contains reason if some reason in sop_safety.needs_approval

# --- Tools and autonomy -------------------------------------------------------------------

denials contains {
	"rule": "plan.tool_unregistered", "path": sprintf("%v/tool", [path]),
	"message": sprintf("%v is not registered, or has changed since the plan was made", [step.tool]),
} if {
	some step in planned.kinds
	not step.registered == true
	some path in planned.paths(step)
}

denials contains {
	"rule": "plan.tool_category_unknown", "path": sprintf("%v/category", [path]),
	"message": sprintf("%v has no known category", [step.tool]),
} if {
	some step in planned.kinds
	step.registered == true
	not common.known_category(step)
	some path in planned.paths(step)
}

denials contains {
	"rule": "plan.observe_only", "path": "/autonomy_level",
	"message": sprintf("L%v only observes; this plan writes", [input.autonomy_level]),
} if {
	planned.changes
	input.autonomy_level < data.limits.writes_from_autonomy
}

denials contains {
	"rule": "plan.autonomy_not_enabled", "path": "/autonomy_level",
	"message": sprintf("L%v is switched off", [input.autonomy_level]),
} if {
	input.autonomy_level > data.limits.highest_autonomy
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
	planned.changes
	input.autonomy_level < data.limits.reversible_alone_from_autonomy
}

needs_approval contains {
	"rule": "plan.approval.production_write",
	"message": "writes in production always need a person",
} if {
	planned.changes
	common.production
}

needs_approval contains {
	"rule": "plan.approval.irreversible",
	"message": sprintf("%v cannot be taken back", [concat(", ", planned.irreversible_tools)]),
} if {
	count(planned.irreversible_tools) > 0
}

runs_by_itself contains {
	"rule": "plan.auto.reads_only",
	"message": "the plan only reads",
} if {
	not planned.changes
}

runs_by_itself contains {
	"rule": "plan.auto.reversible_outside_production",
	"message": sprintf("reversible, outside production, and the agent has L%v", [input.autonomy_level]),
} if {
	planned.changes
	not common.production
	input.autonomy_level >= data.limits.reversible_alone_from_autonomy
	count(planned.irreversible_tools) == 0
}
