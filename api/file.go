package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/rowhouse/rowhouse/domain"
)

// file is something that is the same for everybody.
type file struct {
	media string
	plain form
	small form // compressed with gzip
}

// form is a way to write a file. Each has an entity tag of its own (RFC 9110, 8.8.3).
type form struct {
	tag  string
	body []byte
}

func newFile(media string, body []byte) file {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:8])
	return file{media, form{`"` + tag + `"`, body}, form{`"` + tag + `.gzip"`, compress(body)}}
}

func compress(body []byte) []byte {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return small.Bytes()
}

// answerFile answers with a file, unless the client has it.
func (x *exchange) answerFile(f file) error {
	form, small := f.plain, x.takesGzip()
	if small {
		form = f.small
	}
	x.set("Vary", "Accept-Encoding")
	x.set("Etag", form.tag)
	x.set("Cache-Control", "no-cache") // but ask whether it is still the same
	has, err := x.tags("If-None-Match")
	if err != nil {
		return err
	}
	must, err := x.tags("If-Match")
	if err != nil {
		return err
	}
	if !must.matchesStrongly(form.tag) {
		return &domain.Error{Reason: domain.Stale, Code: "version_conflict", Detail: "the file is another one now"}
	}
	if has.matchesWeakly(form.tag) {
		x.WriteHeader(http.StatusNotModified)
		return nil
	}
	x.set("Content-Type", f.media)
	if small {
		x.set("Content-Encoding", "gzip")
	}
	_, err = x.Write(form.body)
	return ignoreGone(err)
}

// takesGzip reports whether the client would rather have an answer compressed with
// gzip (RFC 9110, 12.5.3). One that is not asked for by name is not given.
func (x *exchange) takesGzip() bool {
	for _, line := range x.r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			weight = strings.ReplaceAll(strings.ToLower(weight), " ", "")
			if name == "gzip" || name == "x-gzip" {
				return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
			}
		}
	}
	return false
}
