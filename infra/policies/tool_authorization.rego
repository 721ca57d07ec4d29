# Which tools may be used, by their risk and reach, the mode in force and who asks.
#
# A tool's class says how far it may go, the environment how far this use of it goes: a tool that
# may change production changes staging where a plan is for staging. Only one that reaches the whole
# organization is not held by its environment. That a person decides on every change in production
# stands in plan.rego, for all plans alike.
package smartops.tool_authorization

import data.smartops.common
import data.smartops.planned

denials contains {
	"rule": "tool_authorization.mode_unknown", "path": "/mode",
	"message": sprintf("%v is no mode of autonomy", [input.mode]),
} if {
	not known_mode
}

known_mode if input.mode in data.tools.modes

denials contains {
	"rule": "tool_authorization.plan_only", "path": "/mode",
	"message": "plans are made here, not carried out",
} if {
	input.mode == "plan_only"
	planned.changes
}

denials contains {
	"rule": "tool_authorization.risk_unknown", "path": sprintf("%v/risk", [path]),
	"message": sprintf("%v declares no known risk", [step.tool]),
} if {
	some step in planned.kinds
	step.registered == true
	not known_risk(step)
	some path in planned.paths(step)
}

known_risk(step) if step.risk in data.tools.risks

denials contains {
	"rule": "tool_authorization.scope_unknown", "path": sprintf("%v/scope", [path]),
	"message": sprintf("%v declares no known reach", [step.tool]),
} if {
	some step in planned.kinds
	step.registered == true
	not known_scope(step)
	some path in planned.paths(step)
}

known_scope(step) if step.scope in data.tools.scopes

denials contains {
	"rule": "tool_authorization.not_rehearsed", "path": sprintf("%v/rehearsed", [path]),
	"message": sprintf("%v is rehearsed first, on this target with these arguments", [step.tool]),
} if {
	some step in planned.kinds
	not step.simulation_required == false
	not step.rehearsed == true
	some path in planned.paths(step)
}

denials contains {
	"rule": "tool_authorization.organization_scope", "path": sprintf("%v/scope", [path]),
	"message": sprintf("%v changes the whole organization; who asks needs the role %v", [
		step.tool,
		data.limits.organization_role,
	]),
} if {
	not administers
	some step in planned.writes
	step.scope == "organization"
	some path in planned.paths(step)
}

administers if data.limits.organization_role in input.requester_roles

denials contains {
	"rule": "tool_authorization.token_budget", "path": sprintf("%v/risk", [path]),
	"message": sprintf("the token budget is used up: only reads go on, %v is none", [step.tool]),
} if {
	not input.token_budget_exhausted == false
	some step in planned.kinds
	not only_reads(step)
	some path in planned.paths(step)
}

only_reads(step) if {
	common.reads(step)
	step.risk == "read_only"
}

needs_approval contains {
	"rule": "tool_authorization.approval.mode",
	"message": "a person decides on every change here",
} if {
	input.mode == "approve_all"
	planned.changes
}

needs_approval contains {
	"rule": "tool_authorization.approval.organization",
	"message": sprintf("%v may reach production from here", [step.tool]),
} if {
	some step in planned.writes
	step.scope == "organization"
	step.risk == "state_change_prod"
}
