// Package query is the one grammar for lists: which records, in what order, and
// how to go on after the last one seen.
//
// What a client may name is stated once per table, as [Columns]. [Parse] and
// [ParseJSON] turn a request into a [Query]; [Query.Page] binds it to a tenant
// and checks its cursor; the [Page] writes the SQL. Every value that came from
// outside is an argument of that SQL, never a part of its text.
//
//	q, err := query.Parse(r.URL.Query(), deals)
//	page, err := q.Page(signer, tenant)
//	args := query.Args{tenant, ver}
//	rows := tx.Query(`select doc, ` + page.SortColumns() + ` from crm.deals
//		where tenant_id = $1 and ver = $2 and ` + page.Where(&args) + `
//		order by ` + page.OrderBy() + ` limit ` + strconv.Itoa(q.Limit+1), args...)
//	place := page.Place() // scan targets, after doc
//	next, err := page.Cursor(place) // as they are after row number q.Limit
//
// Pages never lose or repeat a record that stays where it is: the order is
// total because it ends with the ID, nulls have a place in it, and a page starts
// after the values of the last row rather than after a number of rows. A record
// whose sort values change while a client turns pages may move past it.
//
// The package is pure. It knows no database connection, no kind of record and
// no permission: the caller names the tenant, and passes only the columns that
// whoever asks may see.
package query
