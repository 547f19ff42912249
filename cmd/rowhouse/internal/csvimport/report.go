package csvimport

import (
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// reportColumns come before the columns of the original in an errors file. By
// them an errors file is recognised: its rows can be corrected and imported.
var reportColumns = []string{"rowhouse_line", "rowhouse_result", "rowhouse_column", "rowhouse_code", "rowhouse_reason"}

// isErrorsFile reports whether a header is that of an errors file.
func isErrorsFile(header []string) bool {
	return len(header) > len(reportColumns) && slices.Equal(header[:len(reportColumns)], reportColumns)
}

// ErrorsPath returns where the rows of a file go that were not imported, or not
// with all that is in them.
func ErrorsPath(file string) string { return file + ".errors.csv" }

// What became of a row in an errors file.
const (
	notImported    = "not_imported"
	notAllImported = "imported_in_part"
)

// report writes an errors file: CSV in UTF-8 with a mark, which spreadsheets and
// the importer know it by, separated as the original is. It has one row for each
// row that has something wrong with it, with its original cells.
type report struct {
	path   string
	header []string
	comma  byte
	file   *os.File
	size   int64
	csv    *csv.Writer
}

// openReport goes on with an errors file after size bytes. If size is 0 a new
// one is begun once there is something to report, and the old one set aside:
// somebody may have worked on it.
func openReport(path string, header []string, comma byte, size int64) (*report, error) {
	r := &report{path: path, header: header, comma: comma, size: size}
	if size == 0 {
		err := os.Rename(path, path+".old")
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return r, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.begin(f)
	return r, nil
}

func (r *report) begin(f *os.File) {
	r.file = f
	r.csv = csv.NewWriter(countingWriter{f, &r.size})
	r.csv.Comma = rune(r.comma)
}

type countingWriter struct {
	io.Writer
	n *int64
}

func (w countingWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	*w.n += int64(n)
	return n, err
}

// add reports a row.
func (r *report) add(at row, result string, faults []fault) error {
	if r.file == nil {
		f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		r.begin(f)
		if _, err := (countingWriter{f, &r.size}).Write([]byte("\ufeff")); err != nil {
			return err
		}
		if err := r.csv.Write(slices.Concat(reportColumns, r.header)); err != nil {
			return err
		}
	}
	ours := []string{
		strconv.Itoa(at.line), result,
		joined(faults, func(f fault) string { return f.column }),
		joined(faults, func(f fault) string { return f.code }),
		joined(faults, func(f fault) string { return f.reason }),
	}
	for i := range ours {
		ours[i] = harmless(ours[i])
	}
	theirs := at.cells
	if theirs == nil {
		theirs = []string{at.text} // nobody knows where its cells end
	}
	for _, c := range theirs {
		ours = append(ours, readable(strings.ReplaceAll(c, "\x00", "\uFFFD")))
	}
	return r.csv.Write(ours)
}

// flush hands over what was added so far, and returns the size of the file.
func (r *report) flush() (int64, error) {
	if r.file == nil {
		return 0, nil
	}
	r.csv.Flush()
	return r.size, r.csv.Error()
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	_, err := r.flush()
	return errors.Join(err, r.file.Close())
}

// joined lists what the faults say, leaving out what they say twice.
func joined(faults []fault, part func(fault) string) string {
	var parts []string
	for _, f := range faults {
		if p := part(f); p != "" && !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "; ")
}

// harmless keeps a spreadsheet from taking text for a formula. The cells of the
// original are as they were; only what we say is changed.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
