package commands_test

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/company"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/record"
)

// A plan splits a company off another one: it makes the new company, and a deal with
// it. To be there for clients, it has to be a line in the policy of companies, in
// commands/companies.go:
//
//	plan("split_off", "company:update", "Split a company off another one", `{"name":"Acme South"}`, splitOff),
func ExamplePlanner() {
	type SplitOff struct {
		Name       string    `json:"name" minLength:"1" maxLength:"300"`
		PipelineID domain.ID `json:"pipeline_id" prefix:"pip"`
	}
	splitOff := func(c SplitOff, from company.Company, o domain.Origin, ids *commands.IDs) ([]commands.Step, error) {
		id := ids.New(company.Aggregate)
		return []commands.Step{
			commands.Give(id, company.Create{Fields: company.Fields{Name: c.Name, ParentID: o.Self, Common: record.Common{OwnerID: from.Fields.OwnerID}}}, ""),
			commands.Give(ids.New(deal.Aggregate), deal.Open{Fields: deal.Fields{Name: c.Name, CompanyID: id}, PipelineID: c.PipelineID}, ""),
		}, nil
	}
	var _ commands.Planner[SplitOff, company.Company] = splitOff

	// The same on paper.
	n := byte(0)
	ids := commands.NewIDs(func() uuid.UUID { n++; return uuid.UUID{15: n} })
	steps, err := splitOff(SplitOff{Name: "Acme South"}, company.Company{}, domain.Origin{}, ids)
	for _, s := range steps {
		fmt.Println(s)
	}
	fmt.Println(err)
	// Output:
	// company.Create to cmp_00000000000000000000000001, from ""
	// deal.Open to deal_00000000000000000000000002, from ""
	// <nil>
}
