package commands

import "github.com/rowhouse/rowhouse/domain/objecttype"

// ObjectTypes says who may do what with the definitions of fields of the tenant's own.
var ObjectTypes = policy(objecttype.Aggregate, "The fields of the tenant's own, for each kind of record.",
	namedBy[objecttype.ObjectType]("key", objecttype.Named),
	create[objecttype.Define](`{"key":"contact"}`),
	allow[objecttype.AddField]("add_field", "object_type:update", "Add a field of the tenant's own to a kind of record", `{"key":"policy_no","type":"text","label":"Policy number"}`),
	under[objecttype.ObjectType]("add_field", "fields"),
	allow[objecttype.UpdateField]("update_field", "object_type:update", "Update a field of an object type", `{"key":"policy_no","label":"Number of the policy"}`),
	allow[objecttype.ArchiveField]("archive_field", "object_type:update", "Let a field take no new values any more", `{"key":"policy_no"}`),
	allow[objecttype.RestoreField]("restore_field", "object_type:update", "Let a field that was archived take values again", `{"key":"policy_no"}`),
	allow[objecttype.AddOption]("add_option", "object_type:update", "Add an option to a field, or put one back", `{"key":"tier","option":{"key":"gold","label":"Gold"}}`),
	allow[objecttype.ArchiveOption]("archive_option", "object_type:update", "Let an option not be selected any more", `{"key":"tier","option":"gold"}`),
)
