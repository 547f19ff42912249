package projections

import (
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/record"
	"github.com/rowhouse/rowhouse/projections/query"
)

// Company is a row of [Companies].
type Company struct {
	Row
	company.Fields
}

// Companies lists the companies of a tenant.
var Companies = table("companies", company.Aggregate,
	required(text("name", func(c *Company) string { return c.Name })),
	texts("domains", query.Hostname, (*Company).domains),
	text("industry", func(c *Company) string { return c.Industry }),
	number("employee_count", func(c *Company) *int { return c.EmployeeCount }),
	money("annual_revenue", func(c *Company) domain.Money { return c.AnnualRevenue }),
	value("phone", query.Phone, func(c *Company) domain.Phone { return c.Phone }),
	reference("parent_id", "cmp", func(c *Company) domain.ID { return c.ParentID }),
	enum("kind", []company.Kind{company.Prospect, company.Customer, company.Partner, company.Vendor, company.Other},
		func(c *Company) company.Kind { return c.Kind }),
	search(func(c *Company) []string {
		list := append([]string{c.Name, c.Industry, string(c.Phone)}, c.domains()...)
		for _, d := range c.Domains {
			if string(d) != d.Normalized() {
				list = append(list, string(d)) // as it was given
			}
		}
		return list
	}),

	recorded[Company, company.Company](
		func(c *Company) *company.Fields { return &c.Fields }, func(c *Company) *record.Common { return &c.Common }),
	on(func(c *Company, e Event[company.Created]) { c.Fields = e.Data.Fields }),
	on(func(c *Company, e Event[company.ParentSet]) { c.ParentID = e.Data.To }),
)

func (c *Company) domains() (list []string) {
	for _, d := range c.Domains {
		list = append(list, d.Normalized())
	}
	return list
}
