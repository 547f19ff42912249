package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// UnmarshalStored reads JSON that was recorded, or follows from what was recorded, into
// the value v points to. A member that the type does not have was written by a newer
// build, at whatever depth: then the error is [ErrNewerSchema], and what is in v is of no
// use. Whoever leaves such a member out would decide, or show, something wrong.
//
// Types that are recorded and have a method UnmarshalJSON must call it for their parts.
func UnmarshalStored(data []byte, v any) error {
	d, ok := storedReaders.Get().(*storedReader)
	if !ok {
		d = newStoredReader()
	}
	err := d.read(data, v)
	if err == nil {
		storedReaders.Put(d) // after an error it cannot be used any more
		return nil
	}
	if errors.Is(err, ErrNewerSchema) { // in a part that reads itself
		return err
	}
	refusal, refused := errors.AsType[*Error](err)
	switch {
	case refused && refusal.Code == unknownMember, strings.HasPrefix(err.Error(), unknownField):
		return fmt.Errorf("%w: %s", ErrNewerSchema, err.Error())
	case refused: // it is not about what somebody has sent
		return errors.New(err.Error())
	}
	return err
}

// unknownField is what errors of encoding/json about members that a type does not have
// begin with. They have no type of their own; a test holds them to this text.
const unknownField = "json: unknown field "

// storedReader is a decoder that is used for one text after another, because to make
// one costs more than to read a small event.
type storedReader struct {
	in  bytes.Reader
	dec *json.Decoder
	at  int64 // how much was given to it before
}

// storedReaders keeps those that are not in use. It is no state: they are all alike.
var storedReaders sync.Pool

func newStoredReader() *storedReader {
	d := &storedReader{}
	d.dec = json.NewDecoder(&d.in)
	d.dec.DisallowUnknownFields()
	return d
}

func (d *storedReader) read(data []byte, v any) error {
	data = bytes.TrimRight(data, " \t\r\n")
	d.in.Reset(data)
	if err := d.dec.Decode(v); err != nil {
		return err
	}
	d.at += int64(len(data))
	if d.dec.InputOffset() != d.at {
		return errMoreThanOne
	}
	return nil
}

var errMoreThanOne = errors.New("there is something after the JSON")
