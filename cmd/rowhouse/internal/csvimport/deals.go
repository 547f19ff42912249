package csvimport

import (
	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain/deal"
)

// deals are sales that are hoped for, worked on, and won or lost. The pipelines
// and stages that a file names are made if they are not there; see [funnels].
var deals = object{
	collection: "deals", prefix: "deal",
	needs: []string{"name"},
	fields: []field{
		externalID.also("Opportunity ID", "Deal ID", "Opportunity: ID", "Deal Record ID", "Case Safe Opportunity ID"),
		{name: "name", headers: []string{"Deal Name", "Name", "Opportunity Name", "Opportunity", "Deal", "Title", "Deal Title", "Bezeichnung", "Nom", "Nombre"}},
		{name: "pipeline", headers: []string{"Pipeline", "Pipeline Name", "Deal Pipeline", "Sales Pipeline"}},
		{name: "stage", headers: []string{"Deal Stage", "Stage", "Stage Name", "Pipeline Stage", "Sales Stage", "Status", "Phase"}},
		{name: "amount", kind: anAmount, headers: []string{"Amount", "Deal Amount", "Value", "Deal Value", "Opportunity Amount", "Betrag", "Wert", "Montant", "Importe", "Importo"}},
		{name: "currency", headers: []string{"Currency", "Amount Currency", "Deal Currency", "Opportunity Currency", "Deal Currency Code", "Currency ISO Code", "Währung", "Devise"}},
		{name: "close_date", kind: aDate, headers: []string{"Close Date", "Closed Date", "Closing Date", "Expected Close Date", "Expected Close", "Abschlussdatum", "Date de clôture"}},
		{name: "probability", headers: []string{"Probability", "Probability (%)", "Deal Probability", "Win Probability", "Wahrscheinlichkeit"}},
		{name: "source", headers: []string{"Source", "Lead Source", "Deal Source", "Original Source", "Original Source Type"}},
		{name: "lost_reason", headers: []string{"Lost Reason", "Closed Lost Reason", "Loss Reason", "Reason Lost", "Verlustgrund"}},
		companyName, companyID.without("Company Record ID"),
		{name: "contact.external_id", headers: []string{"Contact ID", "Primary Contact ID", "Associated Contact ID", "Associated Contact IDs", "ContactId"}},
		{name: "contact", headers: []string{"Contact", "Contact Name", "Primary Contact", "Associated Contact", "Contact Email", "Primary Contact Email"}},
		tags,
	},
	build: buildDeal,
	check: checker[deal.Fields]("pipeline_id", "stage_key"),
}

func buildDeal(d *draft) {
	d.externalID()
	d.required("name")
	f, s := d.stage()
	d.money("amount", "currency")
	d.date("close_date")
	d.percent("probability")
	d.text("source")
	d.tags()
	d.company()
	d.contact()
	reason := d.given("lost_reason")
	move := map[string]any{"stage_key": s.Key}
	switch s.Kind {
	case open:
		return
	case won:
		d.data["stage_key"] = f.lastOpen()
	case lost:
		d.data["stage_key"] = f.firstOpen()
		move["reason"] = firstOf(reason, "not given")
	}
	d.then(client.Operation{Op: "move_stage", Data: mustJSON(move)})
}
