package commands

import "github.com/rowhouse/rowhouse/domain/list"

// Lists says who may do what with lists.
var Lists = records(list.Aggregate, "Records of one kind that were chosen one by one, or that meet a filter.",
	create[list.Create](`{"name":"Customers","object":"contact","kind":"dynamic","filter":"lifecycle = customer"}`),
	updateExample[list.List](`{"name":"Customers in Leeds"}`),
	allow[list.SetFilter]("set_filter", "list:update", "Set the filter of a dynamic list", `{"filter":"lifecycle = customer and tags has vip"}`),
	allow[list.AddMembers]("add_members", "list:update", "Add records to a static list", `{"members":["con_01jh2xk3v8e4t9p5w7y0z2b4d6"]}`),
	allow[list.RemoveMembers]("remove_members", "list:update", "Remove records from a static list", `{"members":["con_01jh2xk3v8e4t9p5w7y0z2b4d6"]}`),
	allow[list.Freeze]("freeze", "list:update", "Freeze a dynamic list", ""),
)
