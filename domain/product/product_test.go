package product_test

import (
	"testing"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/domaintest"
	"github.com/rowhouse/rowhouse/domain/product"
)

type events = []product.Event

func TestProduct(t *testing.T) {
	t.Parallel()
	tile := product.Created{Fields: product.Fields{SKU: "TILE-1", Name: "Slate tile", Unit: "piece"}}
	in := func(more ...product.Event) events { return append(events{tile}, more...) }
	price := func(amount, currency string, from domain.Date) product.Price {
		return product.Price{Price: domain.Money{Amount: amount, Currency: currency}, ValidFrom: from}
	}
	set := func(p product.Price) product.PriceSet { return product.PriceSet{Price: p} }
	now, next := price("9.90", "EUR", ""), price("10.50", "EUR", "2027-01-01")

	domaintest.RunRecord(t, product.Aggregate, tile, []domaintest.Case[product.Product]{
		{Name: "a product is created", When: product.Create{Fields: tile.Fields}, Then: in()},
		{Name: "blanks around are cut", When: product.Create{Fields: product.Fields{SKU: " TILE-1 ", Name: "Slate tile ", Unit: "piece"}}, Then: in()},
		{Name: "it has a number", When: product.Create{Fields: product.Fields{Name: "x"}}, Err: domain.Invalid, At: "/sku"},
		{Name: "a price is set", Given: in(), When: product.SetPrice{Price: now}, Then: events{set(now)}},
		{Name: "the same price is no change", Given: in(set(now)), When: product.SetPrice{Price: now}},
		{Name: "another one from a day on", Given: in(set(now)), When: product.SetPrice{Price: next}, Then: events{set(next)}},
		{Name: "another one in its place", Given: in(set(now), set(next)), When: product.SetPrice{Price: price("9.50", "EUR", "")}, Then: events{set(price("9.50", "EUR", ""))}},
		{Name: "no price is below nothing", Given: in(), When: product.SetPrice{Price: price("-1.00", "EUR", "")}, Err: domain.Invalid, At: "/price/amount"},
		{Name: "nothing has no price", When: product.SetPrice{Price: now}, Err: domain.NotFound},
	})

	p := domain.Fold(in(set(next), set(now))...)
	if len(p.Prices) != 2 || p.Prices[0] != now || p.Status != product.StatusActive {
		t.Errorf("%+v", p.Shown)
	}
	if claims := p.Claims(); len(claims) != 1 || claims[0].Scope != "product.sku" || claims[0].Key != "tile-1" {
		t.Errorf("it claims %+v", claims)
	}
}
