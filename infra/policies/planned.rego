# What a plan does, in words that the modules about plans share.
package smartops.planned

import data.smartops.common

# Steps are many and alike. What the rules read of them is what remains without these; so they look
# at each kind of step once, and at steps one by one only to say where what is wrong stands.
own := ["id", "target", "arguments"]

kinds := {object.remove(step, own) | some step in input.steps}

# Paths of the steps of a kind.
paths(kind) := [sprintf("/steps/%v", [i]) |
	some i, step in input.steps
	object.remove(step, own) == kind
]

# What only looks, by its category and by its risk: all else is a write.
reads(step) if {
	common.reads(step)
	step.risk in data.tools.reading_risks
}

writes contains kind if {
	some kind in kinds
	not reads(kind)
}

# Both sources count: a caller that miscounts one of them cannot hide a write.
write_phases := {kind.phase | some kind in writes} | {i | some i, phase in input.phases; phase.writes > 0}

changes if count(write_phases) > 0

changed_assets := {asset | some i in write_phases; some asset in input.phases[i].assets}

# Only the registry's `reversible`, together with a way back in the plan, counts as reversible.
irreversible_tools := {kind.tool | some kind in writes; not reversible(kind)}

reversible(step) if {
	step.category == "reversible"
	step.reversible == true
}

is_canary(phase) if lower(phase.name) == "canary"

# What the modules about images and infrastructure are asked about.
making_images contains kind if {
	input.type == "image_spec"
	some kind in writes
}

making_images contains kind if {
	some kind in writes
	common.listed(kind.tool, data.image.tools)
}

applying_terraform contains kind if {
	some kind in writes
	common.listed(kind.tool, data.terraform.tools)
}
