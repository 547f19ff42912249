package domain_test

import (
	"errors"
	"testing"

	"github.com/rowhouse/rowhouse/domain"
)

// parcel is recorded with parts at every depth.
type parcel struct {
	Name  string                     `json:"name"`
	Price domain.Money               `json:"price,omitzero"`
	Items []struct{ N int }          `json:"items"`
	By    map[string]struct{ N int } `json:"by"`
}

// A member that the type does not have is one of a newer build, at whatever depth.
// What is no JSON, or something else, is not.
func TestUnmarshalStored(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]error{
		`{"name":"Ada","price":{"amount":"1.00","currency":"EUR"},"items":[{"N":1}],"by":{"x":{"N":2}}}`: nil,
		`{}`:                         nil,
		`null`:                       nil,
		" {\"name\":\"Ada\"} \n":     nil,
		`{"name":"Ada","nick":null}`: domain.ErrNewerSchema,
		`{"items":[{"N":1,"m":2}]}`:  domain.ErrNewerSchema,
		`{"by":{"x":{"m":2}}}`:       domain.ErrNewerSchema,
		`{"price":{"amount":"1","currency":"EUR","x":1}}`: domain.ErrNewerSchema,
		`{"price":{"amount":"1"}}`:                        errors.ErrUnsupported,
		`{"name":7}`:                                      errors.ErrUnsupported,
		`{"name":"Ada"}{}`:                                errors.ErrUnsupported,
		`{"name":`:                                        errors.ErrUnsupported,
		``:                                                errors.ErrUnsupported,
	} {
		for range 2 { // what reads is used again
			err := domain.UnmarshalStored([]byte(data), new(parcel))
			if (err == nil) != (want == nil) || errors.Is(err, domain.ErrNewerSchema) != errors.Is(want, domain.ErrNewerSchema) {
				t.Errorf("%s: %v, want %v", data, err, want)
			}
			if len(domain.Refusals(err)) > 0 {
				if _, ok := errors.AsType[*domain.Error](err); ok {
					t.Errorf("%s: %v looks like a mistake of a client", data, err)
				}
			}
		}
	}
}
