package projections

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/own"
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

// OwnFields returns the fields of a tenant's own, as the read models know them.
func (m *Models) OwnFields(ctx context.Context, tenant domain.TenantID) (OwnFields, error) {
	var fields OwnFields
	_, err := m.read(ctx, tenant, func(b *pgx.Batch) {
		fields = OwnFields{}
		b.Queue("select doc from "+ObjectTypes.statements().serving, tenant.UUID).Query(each(func(rows pgx.Rows) error {
			var doc []byte
			if err := rows.Scan(&doc); err != nil {
				return err
			}
			e, err := decode[ObjectType](doc)
			if err == nil {
				fields[e.row.Key] = e.row.Fields
			}
			return err
		}))
	})
	if err != nil {
		return nil, fmt.Errorf("fields of the tenant's own: %w", err)
	}
	return fields, nil
}
