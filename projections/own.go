package projections

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
	"github.com/rowhouse/rowhouse/projections/query"
	"github.com/rowhouse/rowhouse/viewer"
)

// OwnFields is the fields of a tenant's own, by the kind of record.
type OwnFields map[string][]own.Field

// Classes returns the classes of the fields, as viewers want to know them.
func (fs OwnFields) Classes() viewer.OwnClasses {
	all := make(viewer.OwnClasses, len(fs))
	for kind, list := range fs {
		all[kind] = make(map[string]domain.Class, len(list))
		for _, f := range list {
			all[kind][f.Key] = f.Class
		}
	}
	return all
}

// OwnFields returns the fields of a tenant's own of some kinds of records, or of all if none
// is named, as the read models know them.
func (m *Models) OwnFields(ctx context.Context, tenant domain.TenantID, kinds ...string) (OwnFields, error) {
	var fields OwnFields
	_, err := m.read(ctx, tenant, func(b *pgx.Batch) {
		fields = OwnFields{}
		b.Queue("select doc from "+ObjectTypes.statements().serving+" and ($2::text[] is null or key = any($2))", tenant.UUID, kinds).Query(each(func(rows pgx.Rows) error {
			var doc []byte
			if err := rows.Scan(&doc); err != nil {
				return err
			}
			e, err := decode[ObjectType](doc)
			if err == nil {
				fields[string(e.row.Key)] = e.row.Fields
			}
			return err
		}))
	})
	if err != nil {
		return nil, fmt.Errorf("fields of the tenant's own: %w", err)
	}
	return fields, nil
}

// ofOptions returns the keys of the options of a field, also of those that are archived.
func ofOptions(f own.Field) (keys []string) {
	for _, o := range f.Options {
		keys = append(keys, o.Key)
	}
	return keys
}

// ownTypes has what clients may name of a field of each type.
var ownTypes = map[own.Type]func(name string, f own.Field) []query.Column{
	own.Text:     oneOwn(query.OwnText, query.Text),
	own.LongText: oneOwn(query.OwnAny, query.OwnLong),
	own.Number:   oneOwn(query.OwnNumber, query.Int),
	own.Decimal:  oneOwn(query.OwnNumber, query.Decimal),
	own.Money: func(name string, f own.Field) []query.Column {
		return []query.Column{
			query.Own(name+".amount", f.Key, query.OwnNumber, query.Decimal), query.Own(name+".currency", f.Key, query.OwnText, query.Currency),
		}
	},
	own.Bool:     oneOwn(query.OwnNumber, query.OwnBool),
	own.Date:     oneOwn(query.OwnMoment, query.OwnDate),
	own.DateTime: oneOwn(query.OwnMoment, query.Time),
	own.Select: func(name string, f own.Field) []query.Column {
		return []query.Column{query.Own(name, f.Key, query.OwnText, query.Enum(ofOptions(f)...))}
	},
	own.MultiSelect: func(name string, f own.Field) []query.Column {
		return []query.Column{query.Own(name, f.Key, query.OwnList, query.Options(ofOptions(f)...))}
	},
	own.Email:     oneOwn(query.OwnMail, query.Email),
	own.Phone:     oneOwn(query.OwnText, query.Phone),
	own.URL:       oneOwn(query.OwnText, query.URL),
	own.Reference: oneOwn(query.OwnText, query.OwnID),
	own.User:      oneOwn(query.OwnText, query.OwnID),
}

func oneOwn(value query.OwnValue, of query.Type) func(string, own.Field) []query.Column {
	return func(name string, f own.Field) []query.Column {
		return []query.Column{query.Own(name, f.Key, value, of)}
	}
}

// OwnColumns returns what clients may name of a field in queries, with what the values are.
func OwnColumns(f own.Field) (columns []query.Column) {
	if of, known := ownTypes[f.Type]; known && own.IsKey(f.Key) {
		return of(own.Name(f.Key), f)
	}
	return nil
}

// Columns returns what a viewer may name in queries of the records of a table. Fields of
// the tenant's own are among it if the query asks for them.
func (m *Models) Columns(ctx context.Context, v *viewer.Viewer, p Projection, asksOwn bool) (*query.Columns, error) {
	rules, err := v.Of(p)
	if err != nil || !asksOwn || !rules.HasOwn() {
		return rules.Columns(), err
	}
	fields, err := m.OwnFields(ctx, v.Tenant(), p.Kind())
	if err != nil {
		return nil, err
	}
	columns, _ := ownColumns(rules, fields[p.Kind()])
	return columns, nil
}

// ownColumns returns the columns of a viewer with those of fields that the viewer sees, and
// the members among these that q looks into.
func ownColumns(rules *viewer.Rules, fields []own.Field) (*query.Columns, []string) {
	var columns []query.Column
	var searched []string
	for _, f := range fields {
		name := own.Name(f.Key)
		if !rules.Shows(name) {
			continue
		}
		columns = append(columns, OwnColumns(f)...)
		if f.Searchable && !f.Archived {
			searched = append(searched, name)
		}
	}
	return rules.Columns().Owning(columns, searched...), searched
}
