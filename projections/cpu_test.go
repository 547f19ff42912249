package projections

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cpu returns how much processor time this process and the database server have
// used. Unlike the time on the clock it depends little on what else the machine
// does.
func (f *fixture) cpu(b *testing.B) time.Duration {
	b.Helper()
	var backend int
	if err := f.log.super.QueryRow(b.Context(), `select pg_backend_pid()`).Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server := stat(b, backend)[1]
	sum := int64(0)
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		s := stat(b, pid)
		if s == nil || s[1] != server && int64(pid) != server && pid != os.Getpid() {
			continue
		}
		sum += s[11] + s[12]
		if int64(pid) == server {
			sum += s[13] + s[14] // those of its children that have ended
		}
	}
	return time.Duration(sum) * time.Second / 100
}

// stat returns the fields of /proc/pid/stat after the name: state, parent and so on.
func stat(b *testing.B, pid int) []int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	var fields []int64
	for f := range strings.FieldsSeq(rest) {
		n, _ := strconv.ParseInt(f, 10, 64)
		fields = append(fields, n)
	}
	return fields
}
