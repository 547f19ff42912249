package commands

import "github.com/rowhouse/rowhouse/domain/product"

// Products says who may do what with products.
var Products = records(product.Aggregate, "What the tenant sells, and at which prices.",
	create[product.Create](`{"sku":"TILE-SLATE-30","name":"Slate tile, 30 cm","unit":"piece","tax_code":"standard"}`),
	updateExample[product.Product](`{"name":"Slate tile, 30 × 30 cm"}`),
	allow[product.SetPrice]("set_price", "product:update", "Set a price of a product", `{"price":{"amount":"9.90","currency":"EUR"},"valid_from":"2027-01-01"}`),
	allow[product.Archive]("archive", "product:update", "Archive a product", ""),
	allow[product.Unarchive]("unarchive", "product:update", "Put an archived product back", ""),
)
