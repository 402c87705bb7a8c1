package load

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What was written is read back, but for a last line that was cut short.
func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Record {
			return Record{
				Start:   time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "start")).UTC(),
				Latency: time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "latency")),
				Status:  rapid.IntRange(0, 599).Draw(t, "status"),
				Bytes:   rapid.Int64Range(0, 1<<40).Draw(t, "bytes"),
				Source:  rapid.SampledFrom([]string{"closed", "steady", "guard 2"}).Draw(t, "source"),
				Cause:   rapid.SampledFrom([]Cause{"", Reset, "status 502"}).Draw(t, "cause"),
			}
		})).Draw(t, "records")
		text := []byte(recordHeader)
		for _, r := range want {
			text = r.append(text)
		}
		cut := rapid.IntRange(0, 1).Draw(t, "cut")
		if len(want) > 0 && cut == 1 {
			text, want = text[:len(text)-1], want[:len(want)-1]
		}
		var got []Record
		for r, err := range ReadRecords(bytes.NewReader(text)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if len(got) != len(want) {
			t.Fatalf("%d records, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("record %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

func TestRecordMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"1,2,200,2,closed,\n":                 "line 1: want the header",
		recordHeader + "1,2,200\n":            "line 2: 3 fields",
		recordHeader + "1,x,200,2,closed,\n":  "line 2:",
		recordHeader + "1,2,200,2,closed,,\n": "line 2: 7 fields",
	} {
		var err error
		for _, err = range ReadRecords(strings.NewReader(text)) {
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
