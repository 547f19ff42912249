package main

import "testing"

func TestByteSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{
		"384MB": 384 << 20, "384m": 384 << 20, "2 GiB": 2 << 30, "1G": 1 << 30, "0MB": 0,
		"": -1, "384": -1, "MB": -1, "-1MB": -1, "1.5GB": -1, "9999999999GB": -1, "12 parsecs": -1,
	} {
		var got byteSize
		err := got.UnmarshalText([]byte(text))
		if (err != nil) != (want < 0) || want >= 0 && got != want {
			t.Errorf("%q is %d bytes, %v, want %d", text, got, err, want)
		}
	}
	for size, want := range map[byteSize]string{384 << 20: "384MB", 2 << 30: "2GB"} {
		if size.String() != want {
			t.Errorf("%d bytes are written %s, want %s", size, size, want)
		}
	}
}
