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
	searched("domains", (*Company).domainsAsGiven),
)

func (c *Company) domains() (list []string) {
	for _, d := range c.Domains {
		list = append(list, d.Normalized())
	}
	return list
}

// domainsAsGiven returns the domains, also in ASCII if they were given so.
func (c *Company) domainsAsGiven() []string {
	list := c.domains()
	for _, d := range c.Domains {
		if string(d) != d.Normalized() {
			list = append(list, string(d))
		}
	}
	return list
}
