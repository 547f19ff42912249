package projections

import "github.com/rowhouse/rowhouse/domain/product"

// Product is a row of [Products].
type Product struct {
	Row
	product.Fields
	product.Shown
}

// Products lists the products of a tenant.
var Products = records[Product]("products", product.Aggregate)
