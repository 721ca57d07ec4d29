# Changes in production go slowly, are watched, and know when to turn back.
package smartops.production_safety

import data.smartops.common
import data.smartops.planned

denials contains {
	"rule": "plan.canary_missing", "path": sprintf("/phases/%v/name", [first]),
	"message": "changes to more than one asset in production begin with a phase named canary",
} if {
	common.production
	count(planned.changed_assets) > 1
	first := min(planned.write_phases)
	not begins_with_canary(first)
}

begins_with_canary(first) if planned.is_canary(input.phases[first])

# Small fleets have small canaries: only one that is large both ways is none.
denials contains {
	"rule": "plan.canary_too_large", "path": sprintf("/phases/%v/assets", [i]),
	"message": sprintf(
		"the canary has %v of %v assets; more than %v%% and more than %v is no canary",
		[assets, input.total_assets, data.limits.canary_max_percent, data.limits.canary_max_assets],
	),
} if {
	common.production
	some i in planned.write_phases
	planned.is_canary(input.phases[i])
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
	count(planned.changed_assets) > 1
	some i in planned.write_phases
	phase := input.phases[i]
	planned.is_canary(phase)
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
	some i in planned.write_phases
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
	some i in planned.write_phases
	phase := input.phases[i]
	trim_space(phase.rollback_if) == ""
}

denials contains {
	"rule": "plan.health_check_missing", "path": sprintf("/phases/%v/health_checks", [i]),
	"message": sprintf("phase %v has no health check", [phase.name]),
} if {
	common.production
	some i in planned.write_phases
	phase := input.phases[i]
	phase.health_checks < 1
}
