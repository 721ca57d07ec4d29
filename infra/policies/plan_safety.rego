# A plan says what it is for, rests on evidence of its kind, and comes to an end.
package smartops.plan_safety

import data.smartops.common
import data.smartops.planned

denials contains {
	"rule": "plan_safety.summary_missing", "path": "/summary",
	"message": "the plan does not say what it is for",
} if {
	trim_space(input.summary) == ""
}

denials contains {
	"rule": "plan_safety.run_too_long", "path": "/max_run_ms",
	"message": sprintf("the run may take %v ms; at most %v are allowed", [
		input.max_run_ms,
		data.limits.max_run_ms,
	]),
} if {
	input.max_run_ms > data.limits.max_run_ms
}

denials contains {
	"rule": "plan_safety.run_unbounded", "path": "/max_run_ms",
	"message": "nothing bounds how long the run may take",
} if {
	not bounded
}

bounded if is_number(input.max_run_ms)

denials contains {
	"rule": "plan_safety.maintenance_window_missing", "path": "/maintenance",
	"message": sprintf("writes of a %v in production wait for a maintenance window", [input.type]),
} if {
	common.production
	planned.changes
	input.type in data.evidence.types_in_maintenance_windows
	not input.maintenance == true
}

denials contains {
	"rule": "plan_safety.version_comparison_missing", "path": "/evidence",
	"message": sprintf(
		"a drift plan rests on a comparison of versions (%v) of the last %v ms",
		[concat(", ", data.evidence.version_comparison), data.evidence.version_comparison_max_age_ms],
	),
} if {
	input.type == "drift_plan"
	planned.changes
	not found(data.evidence.version_comparison, data.evidence.version_comparison_max_age_ms)
}

# Whatever the plan is called: its name makes a failover no safer.
denials contains {
	"rule": "plan_safety.dr_test_missing", "path": "/evidence",
	"message": sprintf("%v needs a test (%v) of the last %v ms", [
		step.tool,
		concat(", ", data.evidence.dr_tests),
		data.evidence.dr_test_max_age_ms,
	]),
} if {
	some step in planned.writes
	common.listed(step.tool, data.evidence.failovers)
	not found(data.evidence.dr_tests, data.evidence.dr_test_max_age_ms)
}

denials contains {
	"rule": "plan_safety.evidence_missing", "path": "/evidence",
	"message": "a compliance report rests on evidence, and there is none",
} if {
	input.type == "compliance_report"
	count(input.evidence) == 0
}

found(kinds, max_age_ms) if {
	some finding in input.evidence
	finding.kind in kinds
	finding.age_ms >= 0
	finding.age_ms <= max_age_ms
}
