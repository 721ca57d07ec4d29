# Images that servers are made of. Their description is the argument `image` of the step:
#
#   {"name": "web-server", "version": "2.4.1", "cis_level": "level_1",
#    "ssh": {"password_authentication": false, "root_login": false},
#    "packages": ["nginx", "openssl=3.0.13"]}
package smartops.image_safety

import data.smartops.common
import data.smartops.planned

# Of a plan, every step that makes an image; of a call, the call itself.
subjects contains [sprintf("/steps/%v/arguments/image", [i]), step] if {
	count(planned.making_images) > 0
	some i, step in input.steps
	object.remove(step, planned.own) in planned.making_images
}

subjects contains ["/arguments/image", {"tool": input.tool, "arguments": input.arguments}] if {
	common.listed(input.tool, data.image.tools)
	not common.reads(input)
}

images contains [path, subject.arguments.image] if {
	some [path, subject] in subjects
	is_object(subject.arguments.image)
}

denials contains {
	"rule": "image_safety.image_missing", "path": path,
	"message": sprintf("%v comes without a description of its image", [subject.tool]),
} if {
	some [path, subject] in subjects
	not described(subject)
}

described(subject) if is_object(subject.arguments.image)

denials contains {
	"rule": "image_safety.cis_level", "path": sprintf("%v/cis_level", [path]),
	"message": sprintf("hardened to none of %v", [concat(", ", data.image.cis_levels)]),
} if {
	some [path, image] in images
	not hardened(image)
}

hardened(image) if image.cis_level in data.image.cis_levels

denials contains {
	"rule": "image_safety.ssh_password", "path": sprintf("%v/ssh/password_authentication", [path]),
	"message": "nobody signs in by password",
} if {
	some [path, image] in images
	not image.ssh.password_authentication == false
}

denials contains {
	"rule": "image_safety.ssh_root", "path": sprintf("%v/ssh/root_login", [path]),
	"message": "nobody signs in as root",
} if {
	some [path, image] in images
	not image.ssh.root_login == false
}

denials contains {
	"rule": "image_safety.packages_missing", "path": sprintf("%v/packages", [path]),
	"message": "it does not list its packages",
} if {
	some [path, image] in images
	not all_named(image)
}

all_named(image) if {
	is_array(image.packages)
	every listed in image.packages {
		is_string(listed)
	}
}

denials contains {
	"rule": "image_safety.package_forbidden", "path": sprintf("%v/packages/%v", [path, i]),
	"message": sprintf("%v speaks in clear text or trusts by address", [name]),
} if {
	some [path, image] in images
	is_array(image.packages)
	some i, listed in image.packages
	is_string(listed)
	name := package_name(listed)
	name in data.image.forbidden_packages
}

# However its version or architecture is added: `telnet=0.17`, `telnet>=0.17`, `telnet-0.17.el9`.
package_name(listed) := regex.find_n(
	`^[a-z][a-z0-9+._]*(-[a-z][a-z0-9+._]*)*`,
	lower(trim_space(listed)), 1,
)[0]

denials contains {
	"rule": "image_safety.version", "path": sprintf("%v/version", [path]),
	"message": "its version is no semantic version, as 2.4.1 is",
} if {
	some [path, image] in images
	not versioned(image)
}

versioned(image) if {
	is_string(image.version)
	semver.is_valid(image.version)
}
