package projections

import (
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Company is a row of [Companies].
type Company struct {
	Row
	company.Fields
}

// Companies lists the companies of a tenant.
var Companies = records[Company]("companies", company.Aggregate,
	texts("domains", query.Hostname, (*Company).domains),
	search(func(c *Company) []string {
		list := append([]string{c.Name, c.Industry, string(c.Phone)}, c.domains()...)
		for _, d := range c.Domains {
			if string(d) != d.Normalized() {
				list = append(list, string(d)) // as it was given
			}
		}
		return list
	}, "name", "industry", "phone", "domains"),
)

func (c *Company) domains() (list []string) {
	for _, d := range c.Domains {
		list = append(list, d.Normalized())
	}
	return list
}
