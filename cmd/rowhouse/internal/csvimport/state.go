package csvimport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is how far an import has come. It is kept in a file beside the CSV, so
// that an import that was broken off can go on.
//
// It only saves time. That nothing is imported twice does not depend on it: see
// [identities].
type state struct {
	Format     int    `json:"format"`
	Server     string `json:"server"`
	Tenant     string `json:"tenant"`
	Object     string `json:"object"`
	SHA256     string `json:"sha256"`
	Settings   string `json:"settings"`             // hash of whatever else decides what becomes of a row
	Generation string `json:"generation,omitempty"` // tells apart imports of the same file that shall be two
	Run        string `json:"run"`                  // tells this import from others, so that it is not answered with what they were told

	Tally
	findings
	Readings   readings  `json:"readings"`
	ErrorsSize int64     `json:"errors_size"` // of the errors file, up to the last row that counts
	Finished   bool      `json:"finished"`
	Saved      time.Time `json:"saved"`
}

// Tally counts rows by what became of them.
type Tally struct {
	Rows     int `json:"rows"`     // all of them, whatever became of them
	Imported int `json:"imported"` // made now
	Present  int `json:"present"`  // were there already, from an earlier import of the same row, or had the values of the file already
	Updated  int `json:"updated"`  // were there already, and have the values of the file now
	Refused  int `json:"refused"`  // are not there; the errors file says why
	Partial  int `json:"partial"`  // are there, but for a value; the errors file says which. They count above, too
}

const stateFormat = 1

// statePath returns where the state of the import of a file is kept.
func statePath(file string) string { return file + ".rowhouse-import.json" }

// loadState returns the state of an import of the same file, with the same
// settings, into the same place, and false if there is none.
func loadState(path string, like state) (state, bool, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the caller names the file
	if errors.Is(err, fs.ErrNotExist) {
		return like, false, nil
	}
	if err != nil {
		return like, false, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		s = state{} // whatever it is, it is none of ours
	}
	same := s.Format == stateFormat && s.Server == like.Server && s.Tenant == like.Tenant && s.Object == like.Object && s.SHA256 == like.SHA256
	if !same {
		return like, false, nil
	}
	if s.Settings != like.Settings { // from the beginning, but not for the first time
		like.Generation = s.Generation
		return like, false, nil
	}
	return s, true, nil
}

// save replaces the file in one step.
func (s state) save(path string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".rowhouse-import-*")
	if err != nil {
		return fmt.Errorf("the state of the import cannot be saved: %w", err)
	}
	_, err = tmp.Write(append(data, '\n'))
	if err := errors.Join(err, tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
