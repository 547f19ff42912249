package record

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/rowhouse/rowhouse/domain"
)

// Item is implemented by items of lists that are known by a part of them: an
// e-mail address by the address, whatever it is used for. Items that are equal are
// the same in any case.
type Item interface {
	// SameItem reports whether another item of such a list, of the same type, is
	// about the same thing.
	SameItem(other any) bool
}

// joined returns a list with the items of a patch added to it. An item that the
// list has already is changed by merge patch; the others stay. It is the patch
// if there is nothing to add to, or nothing to add.
//
// An item becomes the primary one if the patch says so, and the one that was is
// not any more. If it does not say so, the primary one stays.
func joined(list reflect.Value, patch json.RawMessage) (json.RawMessage, error) {
	if list.Kind() != reflect.Slice || list.Len() == 0 || !bytes.HasPrefix(bytes.TrimLeft(patch, " \t\r\n"), []byte("[")) {
		return patch, nil
	}
	given := reflect.New(list.Type())
	if err := domain.Unmarshal(patch, given.Interface()); err != nil {
		return nil, err
	}
	// Items are compared as they are stored. One that cannot be is refused later.
	_ = domain.Normalize(given.Interface())
	added, err := itemsOf(patch)
	if err != nil {
		return nil, domain.Malformed.Refusef("invalid_json", "is not JSON")
	}
	all, err := itemsOf(valueOf(list))
	if err != nil {
		return nil, err
	}
	chosen := map[int]bool{} // which the patch makes primary ones
	for i, item := range added {
		at := position(list, given.Elem().Index(i))
		if _, known := item.(map[string]any); at >= 0 && !known {
			continue // it is there, however it is written
		}
		if at < 0 {
			at = len(all)
			all = append(all, nil)
		}
		all[at] = mergeValues(all[at], item)
		if isPrimary(item) {
			chosen[at] = true
		}
	}
	for i, item := range all {
		if len(chosen) > 0 && !chosen[i] && isPrimary(item) {
			item.(map[string]any)[primary] = false //nolint:forcetypeassert // isPrimary has looked
		}
	}
	return domain.Marshal(all)
}

// primary is the member that marks one item of a list as the one to use.
const primary = "primary"

func isPrimary(item any) bool {
	members, ok := item.(map[string]any)
	return ok && members[primary] == true
}

func itemsOf(data json.RawMessage) ([]any, error) {
	v, err := parse(data)
	items, _ := v.([]any)
	return slices.Clone(items), err
}

// position returns where in a list an item is, or -1. One that is equal is it
// before one that is about the same thing.
func position(list, item reflect.Value) int {
	wanted := item.Interface()
	for i := range list.Len() {
		if reflect.DeepEqual(list.Index(i).Interface(), wanted) {
			return i
		}
	}
	for i := range list.Len() {
		if known, ok := reflect.TypeAssert[Item](list.Index(i)); ok && known.SameItem(wanted) {
			return i
		}
	}
	return -1
}
