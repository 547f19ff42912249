package own

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowhouse/rowhouse/domain"
)

// reader reads a value that came from outside: JSON into the form that is stored.
type reader func(Field, json.RawMessage) (Value, error)

// readers has how values of each type are read. The tags are those of built-in fields.
var readers = map[Type]reader{
	Text: plainly[struct {
		V string `json:"v,omitzero" maxLength:"500"`
	}],
	LongText: plainly[struct {
		V string `json:"v,omitzero" maxLength:"20000" text:"lines"`
	}],
	Number: plainly[struct {
		V int64 `json:"v" minimum:"-9007199254740991" maximum:"9007199254740991"`
	}],
	Decimal: plainly[struct {
		V domain.Decimal `json:"v"`
	}],
	Money: plainly[struct {
		V domain.Money `json:"v"`
	}],
	Bool: plainly[struct {
		V bool `json:"v"`
	}],
	Date: plainly[struct {
		V domain.Date `json:"v"`
	}],
	DateTime: moment,
	Select:   choice, MultiSelect: choices,
	Email: plainly[struct {
		V domain.Email `json:"v"`
	}],
	Phone: plainly[struct {
		V domain.Phone `json:"v"`
	}],
	URL: plainly[struct {
		V domain.URL `json:"v"`
	}],
	Reference: plainly[struct {
		V domain.ID `json:"v"`
	}],
	User: plainly[struct {
		V domain.ID `json:"v" prefix:"usr"`
	}],
}

// Read returns a value of the field as it is stored, or nothing if there is none in it,
// such as text without a letter. Before is what the record has so far: an option that is
// archived can stay there, and not be selected anew.
func (f Field) Read(v, before Value) (Value, error) {
	read, ok := readers[f.Type]
	if !ok {
		return "", domain.Check(false, "", "wrong_type", "is of a field whose type this server does not know")
	}
	value, err := read(f, json.RawMessage(v))
	if err != nil || !f.Type.HasOptions() {
		return value, err
	}
	return value, f.selectable(value, before)
}

// plainly reads a T with one member, v, as a body of a request is read.
func plainly[T any](_ Field, raw json.RawMessage) (Value, error) {
	var x T
	data := slices.Concat([]byte(`{"v":`), raw, []byte(`}`))
	err := domain.Unmarshal(data, &x)
	if err == nil {
		err = domain.CheckShape(x)
	}
	if err != nil {
		return "", bare(err)
	}
	v := reflect.ValueOf(x).Field(0)
	if v.Kind() == reflect.String && v.Len() == 0 {
		return "", nil
	}
	return valueOf(v.Interface())
}

func valueOf(v any) (Value, error) {
	data, err := domain.Marshal(v)
	return Value(data), err
}

// bare takes the member v out of the pointers of refusals.
func bare(err error) error {
	var errs []error
	for _, r := range domain.Refusals(err) {
		e, _ := errors.AsType[*domain.Error](r)
		inner := *e
		inner.Pointer = strings.TrimPrefix(e.Pointer, "/v")
		errs = append(errs, &inner)
	}
	if errs == nil {
		return err
	}
	return errors.Join(errs...)
}

func moment(_ Field, raw json.RawMessage) (Value, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "", domain.Check(false, "", "wrong_type", "must be a string")
	}
	t, err := domain.ParseTime(domain.Line(text))
	if err != nil {
		return "", err
	}
	return valueOf(domain.FormatTime(t.Truncate(time.Microsecond))) // as exact as columns are
}

func choice(_ Field, raw json.RawMessage) (Value, error) {
	var key string
	if json.Unmarshal(raw, &key) != nil {
		return "", domain.Check(false, "", "wrong_type", "must be a string")
	}
	if key = domain.Line(key); key == "" {
		return "", nil
	}
	return valueOf(key)
}

// choices reads a list of options. They are kept in the order of the field, each once.
func choices(f Field, raw json.RawMessage) (Value, error) {
	var keys []string
	if json.Unmarshal(raw, &keys) != nil {
		return "", domain.Check(false, "", "wrong_type", "must be a list of strings")
	}
	if err := domain.Check(len(keys) <= MostOptions, "", "too_many", "must not have more than "+strconv.Itoa(MostOptions)+" items"); err != nil {
		return "", err
	}
	var wrong domain.Mistakes
	for i := range keys {
		keys[i] = domain.Line(keys[i])
		_, ok := f.Option(keys[i])
		wrong.Add(domain.Check(ok, "/"+strconv.Itoa(i), "unknown_option", "is no option of the field"))
	}
	if wrong.Len() > 0 {
		return "", wrong.Err()
	}
	list := []string{}
	for _, o := range f.Options {
		if slices.Contains(keys, o.Key) {
			list = append(list, o.Key)
		}
	}
	if len(list) == 0 {
		return "", nil
	}
	return valueOf(list)
}

// selectable refuses options that the field does not have, or not any more.
func (f Field) selectable(v, before Value) error {
	keys, list := v.List()
	had, _ := before.List()
	if !list {
		if key, ok := v.Text(); ok {
			keys = []string{key}
		}
		if key, ok := before.Text(); ok {
			had = []string{key}
		}
	}
	var wrong domain.Mistakes
	for i, key := range keys {
		at := ""
		if list {
			at = "/" + strconv.Itoa(i)
		}
		o, ok := f.Option(key)
		wrong.Add(domain.Check(ok, at, "unknown_option", "is no option of the field"))
		wrong.Add(domain.Check(!ok || !o.Archived || slices.Contains(had, key), at, "archived_option", "is an option that cannot be selected any more"))
	}
	return wrong.Err()
}

// Take returns values with changes in the form that is stored. Those that are the same as
// before stay as they are. Refusals point into the member of the values.
func Take(d Definitions, before, to Values) (Values, error) {
	var wrong domain.Mistakes
	all := to
	for _, key := range before.Changed(to) {
		if wrong.Full() {
			break
		}
		at := "/" + Member + "/" + domain.EscapePointer(key)
		f, ok := d.Field(key)
		switch {
		case !ok:
			wrong.Add(domain.Check(false, at, "unknown_field", "is no field of these records; fields of your own are added to their object type"))
			continue
		case f.Archived:
			wrong.Add(domain.Check(false, at, "archived_field", "is a field that takes no new values any more"))
			continue
		case to[key] == "":
			continue
		}
		v, err := f.Read(to[key], before[key])
		if wrong.Add(domain.At(at, err)); err == nil {
			all = all.With(key, v)
		}
	}
	size := 0
	for _, v := range all {
		size += len(v)
	}
	wrong.Add(domain.Check(size <= MostBytes, "/"+Member, "too_large", "must not have more than "+strconv.Itoa(MostBytes>>10)+" kB in all"))
	return all, wrong.Err()
}

// Restore returns the values that a record had once, but for those of fields that take no
// new values any more: these stay as they are.
func Restore(d Definitions, now, then Values) Values {
	all := then
	for _, key := range now.Changed(then) {
		if f, ok := d.Field(key); !ok || f.Archived {
			all = all.With(key, now[key])
		}
	}
	return all
}

// References lists the records that changed values name. Pointers begin at the record.
func References(d Definitions, before, to Values) (refs []domain.Ref) {
	for _, key := range before.Changed(to) {
		f, ok := d.Field(key)
		if !ok || f.Type != Reference || f.Archived {
			continue
		}
		text, _ := to[key].Text()
		if id, err := domain.ParseID(domain.Line(text)); err == nil {
			refs = append(refs, domain.Ref{Kind: string(f.Object), ID: id, Pointer: "/" + Member + "/" + domain.EscapePointer(key)})
		}
	}
	return refs
}
