package commands

import "github.com/rowhouse/rowhouse/domain/deal"

// Deals says who may do what with deals.
var Deals = policy(deal.Aggregate,
	refers[deal.Deal](Pipelines, Companies, Contacts),
	allow(deal.Open{}, "deal:create"),
	allow(deal.Update{}, "deal:update"),
	allow(deal.AssignOwner{}, "deal:assign"),
	allow(deal.AddTags{}, "deal:update"),
	allow(deal.RemoveTags{}, "deal:update"),
	allow(deal.Delete{}, "deal:delete"),
	allow(deal.Restore{}, "deal:delete"),
	allow(deal.RestoreVersion{}, "deal:update"),
	allow(deal.Purge{}, "deal:purge"),
	allow(deal.MoveStage{}, "deal:update"),
	allow(deal.ChangePipeline{}, "deal:update"),
	allow(deal.SetAmount{}, "deal:update"),
	allow(deal.AddLineItem{}, "deal:update"),
	allow(deal.UpdateLineItem{}, "deal:update"),
	allow(deal.RemoveLineItem{}, "deal:update"),
	allow(deal.AddContact{}, "deal:update"),
	allow(deal.RemoveContact{}, "deal:update"),
	allow(deal.Win{}, "deal:close"),
	allow(deal.Lose{}, "deal:close"),
	allow(deal.Reopen{}, "deal:close"),
	allow(deal.ReplaceStage{}, "deal:update"),
)
